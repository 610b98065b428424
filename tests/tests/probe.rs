use iso_core::volume::*;
use iso_core::*;
use isodrive_tests::*;
#[test]
fn probe() -> anyhow::Result<()> {
    let want = std::env::var("PROBE").unwrap_or_default();
    let show = Presentation { permissions: Permissions::Image, ..Default::default() };
    for set in ["oracle-dev", "foreign-dev"] {
        let Some(folder) = corpus::shared_set(set)? else { continue };
        for m in corpus::files(&folder, ".jsonl")? {
            let ms = m.to_string_lossy().into_owned();
            if !ms.contains(&want) {
                continue;
            }
            let base = ms.split(".manifest").next().unwrap().to_owned();
            let Some(img) = ["", ".zst", ".iso.zst", ".udf.zst"]
                .iter()
                .map(|s| std::path::PathBuf::from(format!("{base}{s}")))
                .find(|p| p.is_file())
            else {
                println!("NOIMG {base}");
                continue;
            };
            let cases = manifest::by_name(manifest::read(&m)?);
            let un = corpus::unpack(&img)?;
            let short = base.rsplit("target/tests/").next().unwrap();
            let image = match Image::open(source::open_path(&un.path)?, Limits::default()) {
                Ok(i) => i,
                Err(e) => {
                    println!(
                        "{short}: OPEN {e}; kernel: {:?}",
                        cases.values().filter(|c| c.mounted).map(|c| &c.name).collect::<Vec<_>>()
                    );
                    continue;
                }
            };
            let chosen = match image.choose(None) {
                Ok(c) => format!("{} ({})", c.view, c.reason),
                Err(e) => format!("ERR {e}"),
            };
            println!("{short}: shows {chosen}");
            for f in image.disc().findings().list() {
                println!("    finding {}", f.text)
            }
            for (v, name) in [
                (View::Udf, "udf"),
                (View::RockRidge, "iso9660:iocharset=utf8"),
                (View::Joliet, "iso9660:norock,iocharset=utf8"),
                (View::Iso9660, "iso9660:norock,nojoliet,map=off"),
            ] {
                let Some(case) = cases.get(name) else {
                    println!("   no case {name}");
                    continue;
                };
                let Some(s) = image.systems().iter().find(|s| s.view == v) else {
                    if case.mounted && v == View::Udf {
                        println!("   KERNEL HAS {name}, we not {:?}", image.refused())
                    }
                    continue;
                };
                if !case.mounted {
                    println!("   {v}: kernel did not mount");
                    continue;
                }
                let mut golden = tree::Tree::default();
                for (path, e) in &case.tree.entries {
                    let mut e = e.clone();
                    if v == View::Udf {
                        if e.uid == 65534 {
                            e.uid = 0
                        }
                        if e.gid == 65534 {
                            e.gid = 0
                        }
                    }
                    let p = if v == View::Iso9660 {
                        path.split(|b| *b == b'/')
                            .map(|c| {
                                if c == b"." {
                                    return c.to_vec();
                                }
                                let mut c = c.to_vec();
                                if let Some(i) = c.iter().rposition(|b| *b == b';')
                                    && c[i + 1..].iter().all(u8::is_ascii_digit)
                                {
                                    c.truncate(i)
                                }
                                if c.len() > 1 && c.last() == Some(&b'.') {
                                    c.pop();
                                }
                                c
                            })
                            .collect::<Vec<_>>()
                            .join(&b'/')
                    } else {
                        path.clone()
                    };
                    golden.entries.insert(p, e);
                }
                let tree = tree::Tree::of_volume(&*s.volume, &show)?;
                let d = compare::differences(
                    &tree,
                    &golden,
                    compare::Fields {
                        permissions: true,
                        times: !base.contains("/f-")
                            && !base.contains("/n-")
                            && !base.contains("/s-"),
                        directory_sizes: true,
                    },
                );
                println!(
                    "   {v}: {} entries, {} differences{}",
                    tree.entries.len(),
                    d.len(),
                    if case.complained { " COMPLAINED" } else { "" }
                );
                for l in d.iter().take(4) {
                    println!("      {l}")
                }
            }
        }
    }
    Ok(())
}
