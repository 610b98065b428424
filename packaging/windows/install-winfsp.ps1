# Installs WinFsp on a machine of a CI service. The package manager has been seen to fail and end
# with success: what counts is the library.
$ErrorActionPreference = 'Stop'
$library = "${env:ProgramFiles(x86)}\WinFsp\bin\winfsp-x64.dll"
foreach ($try in 1..3) {
    choco install winfsp -y --no-progress
    if (Test-Path $library) {
        (Get-Item $library).VersionInfo.FileVersion
        exit 0
    }
    Start-Sleep -Seconds (10 * $try)
}
throw "WinFsp was not installed: no $library"
