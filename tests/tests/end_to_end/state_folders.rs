//! Where the record of a mount goes when the usual folder does not take it, and what works where a
//! system has less than others: no home, no user table, no mount table in `/etc`.

use anyhow::Result;
use isodrive_tests::namespace;
use isodrive_tests::program::{self, Ended, can_mount};

/// Runs a script as root, in a namespace whose folders for records are all new.
fn run(script: &str) -> Result<Option<Ended>> {
    if !can_mount() || !program::is_root("a mount namespace") {
        return Ok(None);
    }
    let folders = "
        for folder in /run /tmp /var/tmp /dev/shm; do
            mount -t tmpfs -o mode=1777 none $folder || exit 77
        done
        records() { find /run /tmp /var/tmp /dev/shm -name '*.json' -o -name '*.part' |
            sed 's/[0-9]*-[0-9]*-[0-9]*\\.json/RECORD/' | sort; }
        count() { grep -c fuse.isodrive /proc/self/mountinfo; }
        fill() { for folder; do
            mount -t tmpfs -o size=16k,mode=1777 none $folder
            head -c 1M /dev/zero > $folder/full 2> /dev/null
        done; }
    ";
    namespace::run(&format!("{folders}{script}"))
}

fn lines(ended: &Ended) -> Vec<&str> {
    ended.out.lines().collect()
}

#[test]
fn a_runtime_folder_that_is_missing_is_reported_once_and_others_find_the_mount() -> Result<()> {
    let script = "
        as_user env XDG_RUNTIME_DIR=/run/user/65534 $ISODRIVE mount -q disc.iso home/m; echo $?
        records
        as_user $ISODRIVE list | grep -c 'UDF 1.02'
        as_user env TMPDIR=$HERE XDG_RUNTIME_DIR=/else $ISODRIVE mount -q disc.iso home/m; echo $?
        as_user env XDG_RUNTIME_DIR=/run/user/65534 $ISODRIVE doctor | grep state
        as_user $ISODRIVE eject SETUP_EN_DVD; echo $? $(count)
        records; ls $HERE/home";
    let Some(ended) = run(script)? else { return Ok(()) };
    let reported = lines(&ended);
    let state = "note    state: is kept in \"/tmp/isodrive-65534\", since \
                 \"/run/user/65534/isodrive\" (XDG_RUNTIME_DIR) cannot be used: No such file or \
                 directory";
    let want = ["0", "/tmp/isodrive-65534/RECORD", "1", "0", state, "0 0"];
    assert_eq!(reported, want, "{}", ended.err);
    assert_eq!(
        ended.err,
        "warning: the record of this mount is kept in \"/tmp/isodrive-65534\"\n  \
         \"/run/user/65534/isodrive\" (XDG_RUNTIME_DIR) cannot be used: No such file or \
         directory\n  list, eject and doctor of this user look there too\n"
    );
    Ok(())
}

#[test]
fn a_folder_that_somebody_else_made_or_may_fill_is_passed_over() -> Result<()> {
    let script = "
        mkdir /tmp/isodrive-65534
        as_user mkdir /var/tmp/isodrive-65534; chmod 777 /var/tmp/isodrive-65534
        for folder in /tmp /var/tmp; do echo '{}' > $folder/isodrive-65534/planted.json; done
        as_user $ISODRIVE mount -q disc.iso home/m; echo $?
        as_user $ISODRIVE list | grep -c 'UDF 1.02'
        as_user $ISODRIVE eject home/m; echo $? $(count)
        rm -r /dev/shm/isodrive-65534; as_user ln -s $HERE/home /dev/shm/isodrive-65534
        as_user $ISODRIVE mount -q disc.iso home/m; echo $?
        as_user $ISODRIVE eject home/m; echo $? $(count)
        records";
    let Some(ended) = run(script)? else { return Ok(()) };
    let planted = ["/tmp/isodrive-65534/planted.json", "/var/tmp/isodrive-65534/planted.json"];
    assert_eq!(
        lines(&ended),
        [&["0", "1", "0 0", "0", "0 0"][..], &planted].concat(),
        "{}",
        ended.err
    );
    let tmp = "  \"/tmp/isodrive-65534\" cannot be used: it belongs to another user\n  \
               \"/var/tmp/isodrive-65534\" cannot be used: other users may write to it\n";
    let meaning = "  list shows such a mount without its label, eject finds it by its path, and a \
                   crash leaves its directory behind\n";
    assert_eq!(
        ended.err,
        format!(
            "warning: the record of this mount is kept in \"/dev/shm/isodrive-65534\"\n{tmp}  \
             list, eject and doctor of this user look there too\n\
             warning: nothing can be written down of this mount\n{tmp}  \
             \"/dev/shm/isodrive-65534\" cannot be used: it is not a folder but a file or a link\n\
             {meaning}"
        )
    );
    Ok(())
}

#[test]
fn full_and_read_only_folders_take_no_record_and_keep_no_half_of_one() -> Result<()> {
    for (who, uid, first) in [("", 0, "/run/isodrive"), ("as_user ", 65534, "/tmp/isodrive-65534")]
    {
        let above = first.rsplit_once('/').map_or("", |(above, _)| above);
        let script = format!(
            "
            fill {above}; mkdir -m 700 {first}; chown {uid} {first}
            {who}$ISODRIVE mount -q disc.iso home/m; echo $?
            records
            {who}$ISODRIVE eject SETUP_EN_DVD; echo $? $(count)
            rmdir {first}
            {who}$ISODRIVE mount -q disc.iso home/m; echo $?
            {who}$ISODRIVE eject SETUP_EN_DVD; echo $? $(count)
            {who}$ISODRIVE doctor > doctor; find {above} -name 'isodrive*'
            umount {above}; mount -o remount,ro {above}
            {who}$ISODRIVE mount -q disc.iso home/m; echo $?
            {who}$ISODRIVE eject SETUP_EN_DVD; echo $? $(count)
            fill /run /tmp /var/tmp /dev/shm
            {who}$ISODRIVE mount -q disc.iso home/m; echo $?
            find /run /tmp /var/tmp /dev/shm -name '*isodrive*'
            {who}$ISODRIVE list | grep -c ' /mnt/disc.iso '
            {who}$ISODRIVE mount -q disc.iso home/m; echo $?
            {who}$ISODRIVE eject home/m; echo $? $(count)"
        );
        let Some(ended) = run(&script)? else { return Ok(()) };
        let next = if uid == 0 { "/tmp/isodrive-0" } else { "/var/tmp/isodrive-65534" };
        let record = format!("{next}/RECORD");
        assert_eq!(
            lines(&ended),
            ["0", &record, "0 0", "0", "0 0", "0", "0 0", "0", "1", "7", "0 0"],
            "{who}: {}",
            ended.err
        );
        for line in [
            format!("warning: the record of this mount is kept in \"{next}\"\n"),
            format!("  \"{first}\" cannot be used: No space left on device\n"),
            format!("  \"{first}\" cannot be used: Read-only file system\n"),
            "warning: nothing can be written down of this mount\n".to_owned(),
        ] {
            assert!(ended.err.contains(&line), "{who}: no {line:?} in {}", ended.err);
        }
    }
    Ok(())
}

#[test]
fn half_written_records_of_interrupted_commands_are_swept() -> Result<()> {
    let script = "
        mkdir -m 700 /run/isodrive
        touch /run/isodrive/0-99-4194999.json.4194999.part
        touch -d '1 hour ago' /run/isodrive/0-98-1.json.1.part
        touch /run/isodrive/0-97-$$.json.$$.part
        $ISODRIVE mount -q disc.iso home/m; echo $?; records | sed \"s/$$/OWN/g\"
        $ISODRIVE eject home/m; echo $? $(count)";
    let Some(ended) = run(script)? else { return Ok(()) };
    let own = "/run/isodrive/0-97-OWN.json.OWN.part";
    let reported = lines(&ended);
    assert_eq!(reported.len(), 4, "{reported:?} {}", ended.err);
    assert!(
        reported[1..3].iter().any(|line| line.contains("OWN")),
        "{reported:?}, {own} is being written"
    );
    assert_eq!((reported[0], reported[3]), ("0", "0 0"));
    Ok(())
}

#[test]
fn without_a_home_a_place_must_be_named() -> Result<()> {
    let script = "
        as_user env -u HOME $ISODRIVE mount -q disc.iso home/m; echo $?
        as_user env -u HOME $ISODRIVE list | grep -c 'UDF 1.02'
        as_user env -u HOME $ISODRIVE eject home/m; echo $? $(count)
        for home in '' relative /no/such; do
            as_user env HOME=$home $ISODRIVE mount -q disc.iso; echo $? $(count)
        done
        env -u HOME $ISODRIVE mount -q disc.iso; echo $? $(count)";
    let Some(ended) = run(script)? else { return Ok(()) };
    let none = "7 0";
    assert_eq!(lines(&ended), ["0", "1", "0 0", none, none, none, none], "{}", ended.err);
    let message = "error: there is no home directory to mount in: HOME is not set to a folder\n  \
                   try     a directory of your choice:  isodrive mount disc.iso DIRECTORY\n";
    assert_eq!(ended.err.matches(message).count(), 3, "{}", ended.err);
    assert!(ended.err.contains("cannot make the directory \"/no/such/isodrive\""), "{}", ended.err);
    assert_eq!(
        ended.err.matches("isodrive mount disc.iso DIRECTORY\n").count(),
        4,
        "{}",
        ended.err
    );
    Ok(())
}

#[test]
fn without_a_user_table_or_mtab_it_works_or_one_sentence_says_why_not() -> Result<()> {
    let script = "
        unknown() {
            setpriv --reuid 54321 --regid 54321 --clear-groups -- env HOME=$HERE/home \"$@\"
        }
        chmod 777 home
        unknown $ISODRIVE mount -q disc.iso home/m; echo $? $(count) $(ls home)
        unknown $ISODRIVE ls disc.iso | wc -l
        unknown $ISODRIVE doctor | grep ' user: '; as_user $ISODRIVE doctor | grep -c ' user: '
        mkdir -p up/upper up/work; mount -t tmpfs none up; mkdir up/upper up/work
        mount -t overlay none -o lowerdir=/etc,upperdir=up/upper,workdir=up/work /etc || exit 77
        as_user $ISODRIVE mount -q disc.iso home/m; echo $?
        rm /etc/mtab
        as_user $ISODRIVE eject home/m; echo $? $(count)
        $ISODRIVE eject $HERE/home/m; echo $? $(count)
        while [ -e home/m ]; do sleep 0.01; done
        as_user $ISODRIVE mount -q disc.iso home/m; echo $? $(count) $(ls home)
        $ISODRIVE mount -q disc.iso home/m; echo $? $(count)
        $ISODRIVE eject SETUP_EN_DVD; echo $? $(count)";
    let Some(ended) = run(script)? else { return Ok(()) };
    assert_eq!(
        lines(&ended),
        [
            "8 0",
            "11",
            "broken  user: fusermount3 finds no entry for you in the user table (passwd): user \
             number 54321",
            "0",
            "0",
            "1 1",
            "0 0",
            "8 0",
            "0 1",
            "0 0"
        ],
        "{}",
        ended.err
    );
    for text in [
        "error: fusermount3 finds no entry for you in the user table (passwd), and mounts for none \
         without\n  else ",
        "error: cannot eject \"/mnt/home/m\": fusermount3 needs /etc/mtab: failed to open \
         /etc/mtab: No such file or directory\n  fix     sudo ln -s /proc/self/mounts /etc/mtab\n",
        "  try     as root:  sudo umount /mnt/home/m\n",
        "error: fusermount3 could not take the mount away again: failed to open /etc/mtab: No such \
         file or directory\n  fix     sudo ln -s /proc/self/mounts /etc/mtab\n",
    ] {
        assert!(ended.err.contains(text), "no {text:?} in {}", ended.err);
    }
    Ok(())
}

#[test]
fn a_read_only_root_is_enough() -> Result<()> {
    let script = "
        for folder in /run /tmp /var/tmp /dev/shm; do umount $folder; done
        mount -t tmpfs none /dev/shm
        mount -o remount,bind,ro / || exit 77
        for folder in /run /tmp /var/tmp; do
            touch $folder/probe 2> /dev/null && exit 77
        done
        $ISODRIVE mount -q disc.iso home/m; echo $?
        $ISODRIVE list | grep -c 'UDF 1.02'
        as_user $ISODRIVE mount -q disc.iso home/n; echo $? $(count)
        as_user $ISODRIVE eject home/n; echo $? $(count)
        $ISODRIVE eject SETUP_EN_DVD; echo $? $(count)";
    if !std::path::Path::new("/run").exists() {
        return Ok(());
    }
    let Some(ended) = run(script)? else { return Ok(()) };
    assert_eq!(lines(&ended), ["0", "1", "0 2", "0 1", "0 0"], "{}", ended.err);
    Ok(())
}
