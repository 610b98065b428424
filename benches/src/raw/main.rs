//! A minimal FUSE server, written against the bare protocol: what the kernel's side allows, as a
//! ceiling for others. Serves a made-up tree whose bytes all come from one map; reads no disc.
//!
//! `raw IMAGE AT LEN WHERE THREADS`: one file `big` of `LEN` bytes from byte `AT` of `IMAGE`, and a
//! folder `many` of 1000 folders with 100 small files each.

mod protocol;
mod tree;

use std::ffi::CString;
use std::fs::File;
use std::io::{IoSlice, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, Result, bail};
use memmap2::Mmap;
use rustix::mount::MountFlags;
use zerocopy::{FromBytes, IntoBytes};

use crate::protocol as p;
use crate::tree::{Tree, siblings};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, at, len, place, threads] = arguments.as_slice() else {
        bail!("raw IMAGE AT LEN WHERE THREADS");
    };
    let file = File::open(image)?;
    #[expect(unsafe_code, reason = "memory maps cannot be made safely")]
    // SAFETY: the bytes are only ever passed on to system calls.
    let map = unsafe { Mmap::map(&file) }?;
    let device = mount(Path::new(place))?;
    let tree = Tree { at: at.parse()?, len: len.parse()?, image_len: file.metadata()?.len() };
    let (sender, receiver) = sync_channel(64);
    let server = Arc::new(Server { device, map, tree, pushes: sender });
    let pusher = server.clone();
    std::thread::spawn(move || pusher.push(&receiver));
    let loops = (0..threads.parse()?).map(|_: usize| {
        let server = server.clone();
        std::thread::spawn(move || server.serve())
    });
    for running in loops.collect::<Vec<_>>() {
        running.join().ok().context("a loop broke down")??;
    }
    Ok(())
}

fn mount(at: &Path) -> Result<File> {
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let flags = MountFlags::RDONLY | MountFlags::NOATIME;
    rustix::mount::mount("raw", at, "fuse.raw", flags, &*CString::new(options)?)?;
    Ok(device)
}

struct Server {
    device: File,
    map: Mmap,
    tree: Tree,
    /// Small files that were read: those behind them come next.
    pushes: SyncSender<u64>,
}

impl Server {
    fn serve(&self) -> Result<()> {
        let mut request = vec![0; p::REQUEST_BYTES];
        loop {
            let len = match rustix::io::read(&self.device, &mut request) {
                Ok(len) => len,
                Err(rustix::io::Errno::NODEV) => return Ok(()),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            let (header, body) = p::InHeader::ref_from_prefix(&request[..len])
                .map_err(|_| anyhow::anyhow!("a short request"))?;
            self.answer(header, body)?;
        }
    }

    fn answer(&self, header: &p::InHeader, body: &[u8]) -> Result<()> {
        match header.opcode {
            p::INIT => {
                let (asked, _) = p::Init::read_from_prefix(body).map_err(|_| p::short())?;
                self.reply(header, p::InitOut::answering(&asked).as_bytes(), &[])
            }
            p::LOOKUP => {
                let name = body.split(|byte| *byte == 0).next().unwrap_or_default();
                match self.tree.lookup(header.node, name) {
                    Some(node) => self.reply(header, self.tree.entry(node).as_bytes(), &[]),
                    None => self.fail(header, p::ENOENT),
                }
            }
            p::GETATTR => self.reply(header, self.tree.attr_out(header.node).as_bytes(), &[]),
            p::READ => {
                let (asked, _) = p::Read::read_from_prefix(body).map_err(|_| p::short())?;
                let (at, len) = self.tree.bytes(header.node);
                let from = asked.offset.min(len);
                let take = u64::from(asked.size).min(len - from);
                let start = (at + from) as usize;
                self.reply(header, &[], &self.map[start..start + take as usize])?;
                if tree::is_small(header.node) {
                    let _ = self.pushes.try_send(header.node);
                }
                Ok(())
            }
            p::READDIRPLUS => {
                let (asked, _) = p::Read::read_from_prefix(body).map_err(|_| p::short())?;
                let list = self.tree.list(header.node, asked.offset, asked.size as usize);
                self.reply(header, &list, &[])
            }
            p::STATFS => self.reply(header, &[0; 80], &[]),
            p::FORGET | p::BATCH_FORGET => Ok(()),
            _ => self.fail(header, p::ENOSYS),
        }
    }

    fn reply(&self, to: &p::InHeader, head: &[u8], data: &[u8]) -> Result<()> {
        let len = size_of::<p::OutHeader>() + head.len() + data.len();
        let out = p::OutHeader { len: len as u32, error: 0, unique: to.unique };
        let parts = [IoSlice::new(out.as_bytes()), IoSlice::new(head), IoSlice::new(data)];
        // An interrupted request has nobody who waits for it.
        let _ = (&self.device).write_vectored(&parts);
        Ok(())
    }

    fn fail(&self, to: &p::InHeader, error: i32) -> Result<()> {
        let len = size_of::<p::OutHeader>() as u32;
        let out = p::OutHeader { len, error: -error, unique: to.unique };
        let _ = (&self.device).write(out.as_bytes());
        Ok(())
    }

    /// Puts the small files behind one that was read into the kernel's cache.
    fn push(&self, read: &Receiver<u64>) {
        while let Ok(node) = read.recv() {
            for next in siblings(node) {
                let (at, len) = self.tree.bytes(next);
                let data = &self.map[at as usize..(at + len) as usize];
                let store = p::Store { node: next, offset: 0, size: len as u32, padding: 0 };
                let total = size_of::<p::OutHeader>() + size_of::<p::Store>() + data.len();
                let out = p::OutHeader { len: total as u32, error: p::NOTIFY_STORE, unique: 0 };
                let parts = [
                    IoSlice::new(out.as_bytes()),
                    IoSlice::new(store.as_bytes()),
                    IoSlice::new(data),
                ];
                if (&self.device).write_vectored(&parts).is_err() {
                    break;
                }
            }
        }
    }
}
