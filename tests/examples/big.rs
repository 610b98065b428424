use isodrive_tests::make::craft::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: usize = a[3].parse().unwrap();
    let mut c = Craft::new();
    c.put(FILES, b"x");
    let img = match a[1].as_str() {
        "dir" => {
            let r: Vec<Record> =
                (0..n).map(|i| Record::file(format!("FILE{i:07}.;1"), FILES, 1)).collect();
            let len = c.directory(FILES + 1, ROOT, &r);
            c.patch(FILES + 1, 10, &both32(len as u32));
            c.root(&[Record { len: len as u32, ..Record::directory("D", FILES + 1) }]);
            c.image()
        }
        "same" => {
            let r: Vec<Record> = (0..n).map(|_| Record::file("A", FILES, 1)).collect();
            let len = c.directory(FILES + 1, ROOT, &r);
            c.patch(FILES + 1, 10, &both32(len as u32));
            c.root(&[Record { len: len as u32, ..Record::directory("D", FILES + 1) }]);
            c.image()
        }
        "ce" => {
            // each record continues in the same long chain
            let e = [nm(1, "a"), ce(60, 0, 2048)];
            let r: Vec<Record> =
                (0..n).map(|i| Record::file(format!("{i}"), FILES, 1).with(&e)).collect();
            for h in 0..63u32 {
                let mut s = vec![];
                for _ in 0..7 {
                    s.extend(entry(b"XX", &[0; 250]));
                }
                s.extend(ce(60 + h + 1, 0, 2048));
                c.put(60 + h as usize, &s);
            }
            c.put(60 + 63, &[0; 2048]);
            let len = c.directory(200, ROOT, &r);
            c.patch(200, 10, &both32(len as u32));
            c.root_with(
                &[sp(0)],
                &[Record { len: len as u32, ..Record::directory("D", 200) }.with(&[nm(0, "d")])],
            );
            c.image()
        }
        "deep" => {
            let first = FILES + 1;
            for i in 0..n {
                let rec = if i + 1 < n {
                    vec![Record::directory("D", first + i + 1)]
                } else {
                    vec![Record::file("END", FILES, 1)]
                };
                c.directory(first + i, if i == 0 { ROOT } else { first + i - 1 }, &rec);
            }
            c.root(&[Record::directory("D", first)]);
            c.image()
        }
        "moved" => {
            // root of n directories named rr_moved that share one large directory of moved ones
            let m = 30000;
            let first = 5000;
            let inner: Vec<Record> = (0..m)
                .map(|i| Record::directory(format!("{i}"), 300).with(&[entry(b"RE", &[])]))
                .collect();
            let len = c.directory(first, ROOT, &inner);
            c.patch(first, 10, &both32(len as u32));
            c.directory(300, ROOT, &[]);
            let r: Vec<Record> = (0..n)
                .map(|_| {
                    Record { len: len as u32, ..Record::directory("RR_MOVED", first) }
                        .with(&[nm(0, "rr_moved")])
                })
                .collect();
            c.root_with(&[sp(0)], &r);
            c.image()
        }
        _ => panic!(),
    };
    std::fs::write(&a[2], img).unwrap();
}
