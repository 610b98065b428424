//! Where metadata goes: pieces with their places, through a pipe to whoever keeps the file.
//! A translator in a sandbox writes to no file, and what it wrote is out of its hands.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;

/// Takes metadata, piece by piece, in any order.
pub trait Output {
    /// Takes the bytes at a place.
    ///
    /// # Errors
    /// What writing said.
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

/// Bytes of one piece at most.
const MAX_PIECE: usize = 1 << 20;

/// Bytes before a piece: its place and its length.
const HEADER_BYTES: usize = 12;

/// Sends pieces down a pipe.
#[derive(Debug)]
pub struct Sender<W: Write> {
    pipe: BufWriter<W>,
}

impl<W: Write> Sender<W> {
    /// Sends down `pipe`.
    pub fn new(pipe: W) -> Self {
        Self { pipe: BufWriter::with_capacity(256 << 10, pipe) }
    }

    /// Sends what is left.
    ///
    /// # Errors
    /// What writing said.
    pub fn finish(mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

impl<W: Write> Output for Sender<W> {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut at = at;
        for piece in bytes.chunks(MAX_PIECE) {
            let len = u32::try_from(piece.len()).map_err(io::Error::other)?;
            self.pipe.write_all(&at.to_le_bytes())?;
            self.pipe.write_all(&len.to_le_bytes())?;
            self.pipe.write_all(piece)?;
            at = at.saturating_add(len.into());
        }
        Ok(())
    }
}

/// Writes the pieces that come out of a pipe into a file, until the pipe ends.
///
/// # Errors
/// A piece that is longer than any or lies past `max_bytes`, or what reading and writing said.
pub fn receive(pipe: impl Read, file: &File, max_bytes: u64) -> io::Result<()> {
    let mut pipe = io::BufReader::with_capacity(256 << 10, pipe);
    let mut gathered = Gathered::default();
    loop {
        let mut header = [0; HEADER_BYTES];
        match pipe.read(&mut header)? {
            0 => return gathered.flush(file),
            read => pipe.read_exact(header.get_mut(read..).unwrap_or_default())?,
        }
        let (at, len) = header.split_at(size_of::<u64>());
        let at = u64::from_le_bytes(at.try_into().map_err(io::Error::other)?);
        let len = u32::from_le_bytes(len.try_into().map_err(io::Error::other)?);
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let end = u64::try_from(len).ok().and_then(|len| at.checked_add(len));
        if len > MAX_PIECE || end.is_none_or(|end| end > max_bytes) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a piece out of place"));
        }
        let space = gathered.space(file, at, len)?;
        pipe.read_exact(space)?;
    }
}

/// Pieces that lie one behind the other, written in one go.
#[derive(Default)]
struct Gathered {
    at: u64,
    bytes: Vec<u8>,
}

impl Gathered {
    /// Room for a piece behind the others, which are written where it does not join them.
    fn space(&mut self, file: &File, at: u64, len: usize) -> io::Result<&mut [u8]> {
        let held = self.bytes.len();
        let end = u64::try_from(held).ok().and_then(|held| self.at.checked_add(held));
        if end != Some(at) || held > MAX_PIECE {
            self.flush(file)?;
            self.at = at;
        }
        let start = self.bytes.len();
        self.bytes.resize(start.saturating_add(len), 0);
        Ok(self.bytes.get_mut(start..).unwrap_or_default())
    }

    fn flush(&mut self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.bytes, self.at)?;
        self.bytes.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_arrive_where_they_belong_and_never_past_the_bound() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sender = Sender::new(writer);
        sender.put(10, b"later").unwrap();
        sender.put(0, b"first").unwrap();
        sender.put(5, b"-and-").unwrap();
        sender.finish().unwrap();
        let path = std::env::temp_dir().join(format!("isodrive-output-{}", std::process::id()));
        let file = File::options().create(true).truncate(true).write(true).open(&path).unwrap();
        receive(reader, &file, 15).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first-and-later");

        let (reader, writer) = io::pipe().unwrap();
        let mut sender = Sender::new(writer);
        sender.put(11, b"later").unwrap();
        sender.finish().unwrap();
        assert!(receive(reader, &file, 15).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
