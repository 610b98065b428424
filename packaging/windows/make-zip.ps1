# Builds the program and makes isodrive-VERSION-windows-x64.zip of it, with its licences.
$ErrorActionPreference = 'Stop'
cargo build --release --locked -p isodrive
if ($LASTEXITCODE) { exit $LASTEXITCODE }
# Linked with Microsoft's C run-time inside, or it would not start everywhere (.cargo/config.toml).
cargo xtask imports target/release/isodrive.exe
if ($LASTEXITCODE) { exit $LASTEXITCODE }
$version = (cargo metadata --format-version 1 --no-deps | ConvertFrom-Json).packages |
    Where-Object name -eq isodrive | Select-Object -ExpandProperty version
$folder = New-Item -ItemType Directory -Force "target/zip/isodrive-$version"
Copy-Item target/release/isodrive.exe, README.md, CHANGELOG.md, LICENSES.md, LICENSE-MIT, LICENSE-APACHE, LICENSE-GPL $folder
Compress-Archive -Force -Path $folder -DestinationPath "target/isodrive-$version-windows-x64.zip"
Get-FileHash "target/isodrive-$version-windows-x64.zip"
