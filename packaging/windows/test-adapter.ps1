# The tests of `windows-tests` on Windows itself: the imitation below the DLL that is installed here.
# The images are made on Linux (tests/src/bin/windows_images.rs); here only the sample is there, and
# the tests of the others are left out by name.
$ErrorActionPreference = 'Stop'
$folder = New-Item -ItemType Directory -Force target/windows-images
Copy-Item samples/setup-disc.iso $folder/setup.iso
$env:ISODRIVE_TEST_IMAGES = $folder.FullName
$env:ISODRIVE_WINFSP_DLL = "${env:ProgramFiles(x86)}\WinFsp\bin\winfsp-x64.dll"
cargo test -p iso-core -p windows-view -p mount-winfsp -p isodrive
if ($LASTEXITCODE) { exit $LASTEXITCODE }
cargo test -p isodrive-windows-tests --test volume
exit $LASTEXITCODE
