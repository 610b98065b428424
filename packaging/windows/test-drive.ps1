# Mounts the sample disc for real and compares it, file by file, with what Windows' own driver
# shows of the same image; then names, elevation, killing, ejecting. Written without a Windows at
# hand: docs/WINDOWS.md says what of it has been run.
param([ValidateSet('administrator', 'limited')][string]$Rights = 'administrator')
$ErrorActionPreference = 'Stop'
$program = Resolve-Path target/release/isodrive.exe
$image = Resolve-Path samples/setup-disc.iso

function Check($what, $condition) {
    if (-not $condition) { throw "failed: $what" }
    "ok      $what"
}

function Tree($root) {
    Get-ChildItem -Recurse -Force $root | Sort-Object FullName | ForEach-Object {
        $hash = if ($_.PSIsContainer) { '' } else { (Get-FileHash $_.FullName).Hash }
        $name = $_.FullName.Substring($root.Length).TrimStart('\')
        '{0}|{1}|{2:o}|{3}' -f $name, $_.Length, $_.LastWriteTimeUtc, $hash
    }
}

function Run([string[]]$arguments) {
    if ($Rights -eq 'administrator') { & $program @arguments; return }
    # Without the rights that this machine's user has.
    runas /trustlevel:0x20000 "$program $arguments" | Out-Null
}

# The oracle.
$native = (Mount-DiskImage -ImagePath $image -PassThru | Get-Volume)
$want = Tree "$($native.DriveLetter):\"
$serial = (cmd /c "vol $($native.DriveLetter):")[-1]

foreach ($fs in $null, 'NTFS') {
    $options = @('mount', '--print-path', "$image")
    if ($fs) { $options += @('--fs-name', $fs) }
    $at = if ($Rights -eq 'administrator') { & $program @options } else { Run $options; (& $program list --json | ConvertFrom-Json).at.name }
    Check "a letter ($at)" ($at -match '^[D-Z]:$')
    $got = Tree "$at\"
    Check 'the same tree as the driver of Windows' (-not (Compare-Object $want $got))
    Check 'the label' ((Get-Volume $at[0]).FileSystemLabel -eq $native.FileSystemLabel)
    "note    vol says $((cmd /c "vol $at")[-1]); the driver of Windows: $serial"
    Check 'nothing can be written' (-not (Test-Path "$at\new") -and -not $(try { Set-Content "$at\new" x; $true } catch { $false }))
    "note    final path: $(try { (Get-Item "$at\setup.exe").Target; [IO.Path]::GetFullPath("$at\setup.exe") } catch { $_ })"
    $jobs = 1..16 | ForEach-Object { Start-Job { (Get-FileHash "$using:at\sources\install.wim").Hash } }
    $hashes = $jobs | Receive-Job -Wait -AutoRemoveJob
    Check '16 readers at once' (($hashes | Sort-Object -Unique).Count -eq 1)
    & $program eject $at
    Check 'ejected' (-not (Test-Path "$at\"))
}

# Killed: the letter goes with the process, the record with the next command.
$at = & $program mount --print-path "$image"
Stop-Process -Force -Id (& $program list --json | ConvertFrom-Json).process
Start-Sleep -Seconds 2
Check 'a killed server leaves no letter' (-not (Test-Path "$at\"))
& $program doctor --fix
Check 'and no record' (-not (& $program list))

# A directory, which elevated programs see.
$folder = Join-Path $env:TEMP isodrive-folder
& $program mount -q "$image" $folder
Check 'a directory' (Test-Path "$folder\setup.exe")
& $program eject $folder

# The mark of the web.
$marked = Join-Path $env:TEMP marked.iso
Copy-Item $image $marked
Set-Content -Path $marked -Stream Zone.Identifier -Value "[ZoneTransfer]`r`nZoneId=3"
$at = & $program mount --print-path $marked
Check 'the mark is on every file' ((Get-Content "$at\setup.exe" -Stream Zone.Identifier) -contains 'ZoneId=3')
& $program eject $at
& $program extract $marked -C $env:TEMP\out
Check 'and on what was extracted' ((Get-Content "$env:TEMP\out\setup.exe" -Stream Zone.Identifier) -contains 'ZoneId=3')

# What WinFsp's own tests have for a volume that cannot be written.
$tests = "${env:ProgramFiles(x86)}\WinFsp\bin\winfsp-tests-x64.exe"
if (Test-Path $tests) {
    $at = & $program mount --print-path "$image"
    Push-Location "$at\"
    & $tests --external --resilient +getvolinfo_test
    Pop-Location
    & $program eject $at
} else {
    'note    winfsp-tests are not installed'
}
Dismount-DiskImage -ImagePath $image | Out-Null
