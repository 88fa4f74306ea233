//! Batches that wait until all of an import is known to be right: in a file that has no name, gone with the process.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
};

/// Batches of one entry, in their order.
#[derive(Debug)]
pub struct Spool {
    file: BufWriter<File>,
    lengths: Vec<usize>,
}

impl Spool {
    /// An empty spool in the folder of temporary files.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, tempfile::tempfile()?),
            lengths: Vec::new(),
        })
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(batch)?;
        self.lengths.push(batch.len());
        Ok(())
    }

    /// The batches, from the first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn batches(self) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        Ok(self.lengths.into_iter().map(move |length| {
            let mut batch = vec![0; length];
            file.read_exact(&mut batch)?;
            Ok(batch)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_come_back_in_their_order() {
        let mut spool = Spool::new().unwrap();
        let batches: Vec<Vec<u8>> = vec![vec![1; 3_000_000], Vec::new(), vec![2, 3]];
        for batch in &batches {
            spool.push(batch).unwrap();
        }
        let back: io::Result<Vec<Vec<u8>>> = spool.batches().unwrap().collect();
        assert_eq!(back.unwrap(), batches);
    }
}
