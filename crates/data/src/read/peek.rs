//! Looking at the beginning of an input without taking it.

use std::io::{self, Cursor, Read};

/// An input whose beginning was read ahead.
pub(crate) struct Peek<R> {
    head: Cursor<Vec<u8>>,
    input: R,
    whole: bool,
    /// What broke the reading ahead: told where it stands, after the head.
    broken: Option<io::Error>,
}

impl<R: Read> Peek<R> {
    /// Reads up to `size` bytes ahead.
    pub fn new(mut input: R, size: usize) -> Self {
        let mut head = Vec::new();
        let broken = input.by_ref().take(size as u64).read_to_end(&mut head).err();
        let whole = head.len() < size;
        Self { head: Cursor::new(head), input, whole, broken }
    }

    /// What was read ahead.
    pub fn head(&self) -> &[u8] {
        self.head.get_ref()
    }

    /// Whether that is everything.
    pub fn whole(&self) -> bool {
        self.whole
    }

    /// Leaves out the first bytes.
    pub fn skip(&mut self, count: u64) {
        self.head.set_position(count);
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.head.read(out)? {
            0 if !out.is_empty() => match self.broken.take() {
                Some(error) => Err(error),
                None => self.input.read(out),
            },
            count => Ok(count),
        }
    }
}
