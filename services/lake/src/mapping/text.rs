//! Files as text: unpacked, in UTF-8, whatever they are stored as.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use encoding_rs::{Decoder, DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

use super::wrong;
use crate::Error;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// How gzip and zstd files begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The byte order mark in UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The bytes of a file, unpacked where it is packed by gzip or zstd, which its first bytes tell.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn unpacked(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let begin = begin(path)?;
    let file = BufReader::with_capacity(CHUNK, File::open(path)?);
    Ok(if begin.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(file))
    } else if begin.starts_with(&ZSTD) {
        Box::new(zstd::stream::read::Decoder::with_buffer(file)?)
    } else {
        Box::new(file)
    })
}

/// The first bytes of a file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn begin(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(16).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first two letters of a file's text, unpacked, that are no blanks: what distinguishes JSON from other text.
///
/// # Errors
/// When it cannot be read.
pub(super) fn first_letters(path: &Path, declared: Option<&str>) -> io::Result<String> {
    let mut bytes = vec![0; 4_096];
    let read = read_full(&mut *unpacked(path)?, &mut bytes)?;
    let encodings = encodings(path, declared)?;
    let encoding = encodings.first().copied().unwrap_or(UTF_8);
    let (text, _) = encoding.decode_with_bom_removal(bytes.get(..read).unwrap_or_default());
    Ok(text.chars().filter(|one| !one.is_whitespace()).take(2).collect())
}

/// Encodings that a file may have: the declared one, or that of its byte order mark, or UTF-8 and, where not all of it is UTF-8,
/// GB18030 (which GBK is a part of).
///
/// # Errors
/// When it cannot be read, or the declared name is none.
pub(super) fn encodings(path: &Path, declared: Option<&str>) -> io::Result<Vec<&'static Encoding>> {
    if let Some(name) = declared {
        let encoding = Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            io::Error::other(format!(
                "`encoding: {name}` is none; for example utf-8, gbk, gb18030, utf-16le"
            ))
        })?;
        return Ok(vec![encoding]);
    }
    let mut first = [0; 3];
    let read = read_full(&mut *unpacked(path)?, &mut first)?;
    if let Some((marked, _)) = Encoding::for_bom(first.get(..read).unwrap_or_default()) {
        return Ok(vec![marked]);
    }
    // Text of the sort has no zeros; that of UTF-16 has them in every other byte of a line break.
    Ok(match first {
        [0, _, _] if read > 1 => vec![UTF_16BE],
        [_, 0, _] if read > 1 => vec![UTF_16LE],
        _ => vec![UTF_8, GB18030],
    })
}

/// What `read` makes of a file in the first of its encodings that all of it is in.
///
/// # Errors
/// That of `read`; when the file is in none of the encodings.
pub(super) fn in_its_encoding<T>(
    path: &Path,
    declared: Option<&str>,
    mut read: impl FnMut(&'static Encoding) -> Result<T, Unread>,
) -> Result<(&'static Encoding, T), Unread> {
    let encodings = encodings(path, declared)?;
    let mut refused = None;
    for encoding in &encodings {
        match read(encoding) {
            Ok(made) => return Ok((encoding, made)),
            Err(Unread::Broken(error)) if error.kind() == io::ErrorKind::InvalidData => {
                refused = refused.or(Some(error));
            }
            Err(other) => return Err(other),
        }
    }
    let place = refused.map_or_else(String::new, |error| error.to_string());
    let none = if encodings.len() > 1 {
        ", and none of GB18030"
    } else {
        ""
    };
    Err(Unread::Wrong(format!(
        "{place}{none}; say which encoding it is with `encoding:` in the mapping's source"
    )))
}

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// Its bytes are not to be had, or no text.
    Broken(io::Error),
    /// Its text is not what it should be.
    Wrong(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Unread {
    /// The error that names the file.
    pub fn of(self, path: &Path) -> Error {
        let path = path.display();
        match self {
            Self::Broken(error) => wrong(format!("{path} cannot be read: {error}")),
            Self::Wrong(reason) => wrong(format!("{path}, {reason}")),
        }
    }
}

fn read_full(reader: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            some => read += some,
        }
    }
    Ok(read)
}

/// Text in UTF-8, without a byte order mark. Bytes that are none of the encoding are an error that names their line.
pub(super) struct Text {
    raw: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    /// None for what is UTF-8 as it is.
    decoder: Option<Decoder>,
    /// What is put for a separator of several bytes: its text, and the one byte.
    separator: Option<(String, char)>,
    /// Raw bytes that are not decoded yet.
    waiting: Vec<u8>,
    /// Decoded text from which a separator that is cut in two is not taken yet.
    cut: String,
    ready: Vec<u8>,
    at: usize,
    lines: u64,
    begun: bool,
    ended: bool,
}

impl Text {
    pub fn new(
        raw: Box<dyn Read + Send>,
        encoding: &'static Encoding,
        separator: Option<(String, char)>,
    ) -> Self {
        let as_it_is = encoding == UTF_8 && separator.is_none();
        Self {
            raw,
            encoding,
            decoder: (!as_it_is).then(|| encoding.new_decoder_with_bom_removal()),
            separator,
            waiting: Vec::new(),
            cut: String::new(),
            ready: Vec::new(),
            at: 0,
            lines: 0,
            begun: false,
            ended: false,
        }
    }

    /// Makes more text ready.
    fn fill(&mut self) -> io::Result<()> {
        let before = self.waiting.len();
        self.waiting.resize(before + CHUNK, 0);
        let into = self.waiting.get_mut(before..).unwrap_or_default();
        // What is packed and broken is so in every encoding.
        let read = self.raw.read(into).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => io::Error::other(error),
            _ => error,
        })?;
        self.waiting.truncate(before + read);
        self.ended = read == 0;
        self.at = 0;
        match self.decoder.take() {
            None => self.take(),
            Some(mut decoder) => {
                let decoded = self.decode(&mut decoder);
                self.decoder = Some(decoder);
                decoded
            }
        }
    }

    /// Makes ready what is UTF-8 already; a character that is cut in two waits for its rest.
    fn take(&mut self) -> io::Result<()> {
        std::mem::swap(&mut self.ready, &mut self.waiting);
        self.waiting.clear();
        if let Err(error) = std::str::from_utf8(&self.ready) {
            let (whole, rest) = self.ready.split_at(error.valid_up_to());
            if error.error_len().is_some() || self.ended {
                return Err(self.no_text(whole));
            }
            self.waiting.extend_from_slice(rest);
            self.ready.truncate(error.valid_up_to());
        }
        self.lines += breaks(&self.ready);
        if !self.begun && !self.ready.is_empty() {
            self.begun = true;
            self.at = if self.ready.starts_with(BOM) { BOM.len() } else { 0 };
        }
        Ok(())
    }

    fn decode(&mut self, decoder: &mut Decoder) -> io::Result<()> {
        let most = decoder.max_utf8_buffer_length_without_replacement(self.waiting.len());
        let mut text = std::mem::take(&mut self.cut);
        text.reserve(most.unwrap_or(4 * CHUNK));
        let from = text.len();
        let mut used = 0;
        loop {
            let rest = self.waiting.get(used..).unwrap_or_default();
            let (result, some) = decoder.decode_to_string_without_replacement(rest, &mut text, self.ended);
            used += some;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => text.reserve(CHUNK),
                DecoderResult::Malformed(..) => {
                    return Err(self.no_text(text.get(from..).unwrap_or_default().as_bytes()));
                }
            }
        }
        self.waiting.drain(..used);
        self.lines += breaks(text.get(from..).unwrap_or_default().as_bytes());
        self.ready = self.separated(text)?.into_bytes();
        Ok(())
    }

    /// The error of bytes that are none of the encoding, behind `told`.
    fn no_text(&self, told: &[u8]) -> io::Error {
        let line = self.lines + breaks(told) + 1;
        let message = format!("line {line}: bytes that are no {}", self.encoding.name());
        io::Error::new(io::ErrorKind::InvalidData, message)
    }

    /// The text with one character for a separator of several.
    fn separated(&mut self, text: String) -> io::Result<String> {
        let Some((separator, one)) = &self.separator else {
            return Ok(text);
        };
        if text.contains(*one) {
            let message = format!(
                "line {}: a control character U+{:04X}",
                self.lines + 1,
                u32::from(*one)
            );
            return Err(io::Error::other(message));
        }
        let mut whole = text.replace(separator.as_str(), &one.to_string());
        if !self.ended {
            // The longest end that may be the begin of a separator.
            let is_begun = |from: &usize| {
                whole
                    .get(*from..)
                    .is_some_and(|end| !end.is_empty() && separator.starts_with(end))
            };
            let from = (whole.len().saturating_sub(separator.len())..whole.len()).find(is_begun);
            if let Some(from) = from {
                self.cut = whole.split_off(from);
            }
        }
        Ok(whole)
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.ready.len() && !self.ended {
            self.fill()?;
        }
        Ok(self.ready.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, some: usize) {
        self.at += some;
    }
}

impl Read for Text {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?.read(into)?;
        self.consume(some);
        Ok(some)
    }
}

/// Line breaks among some bytes.
pub(super) fn breaks(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of any size.
    struct Pieces(Vec<u8>, usize);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let some = self.1.min(into.len()).min(self.0.len());
            into[..some].copy_from_slice(&self.0[..some]);
            self.0.drain(..some);
            Ok(some)
        }
    }

    fn read(
        bytes: &[u8],
        piece: usize,
        encoding: &'static Encoding,
        separator: Option<&str>,
    ) -> io::Result<String> {
        let separator = separator.map(|text| (text.to_owned(), '\u{1f}'));
        let mut text = Text::new(Box::new(Pieces(bytes.to_vec(), piece)), encoding, separator);
        let mut whole = String::new();
        text.read_to_string(&mut whole)?;
        Ok(whole)
    }

    proptest! {
        #[test]
        fn text_is_the_same_in_every_encoding_and_however_it_is_cut(
            text in "[a-z,|店铺订单金额\n\"]{0,200}", piece in 1usize..9,
        ) {
            for encoding in [UTF_8, GB18030] {
                let (bytes, _, _) = encoding.encode(&text);
                prop_assert_eq!(read(&bytes, piece, encoding, None).unwrap(), text.as_str());
                let separated = read(&bytes, piece, encoding, Some("||")).unwrap();
                prop_assert_eq!(separated, text.replace("||", "\u{1f}"));
            }
            let marked = format!("\u{feff}{text}").into_bytes();
            prop_assert_eq!(read(&marked, piece, UTF_8, None).unwrap(), text.as_str());
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(read(&wide, piece, UTF_16LE, None).unwrap(), text.as_str());
        }
    }

    #[test]
    fn what_is_no_text_of_the_encoding_is_told_with_its_line() {
        let error = read(b"a\nb\nc\xff\n", 2, UTF_8, None).unwrap_err();
        assert_eq!(error.to_string(), "line 3: bytes that are no UTF-8");
    }

    fn found_in(path: &Path) -> Result<(&'static Encoding, String), Error> {
        let found = in_its_encoding(path, None, |encoding| {
            let mut whole = String::new();
            Text::new(unpacked(path)?, encoding, None).read_to_string(&mut whole)?;
            Ok(whole)
        });
        found.map_err(|unread| unread.of(path))
    }

    #[test]
    fn encodings_are_found_and_packed_files_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let text = "店铺,金额\n";
        let found = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let (encoding, whole) = found_in(&path)?;
            assert_eq!(whole, text);
            Ok::<_, Error>(encoding.name())
        };
        assert_eq!(found(text.as_bytes()).unwrap(), "UTF-8");
        assert_eq!(found(format!("\u{feff}{text}").as_bytes()).unwrap(), "UTF-8");
        assert_eq!(found(&GB18030.encode(text).0).unwrap(), "gb18030");
        let wide = |to: fn(u16) -> [u8; 2]| -> Vec<u8> {
            format!("\u{feff}{text}").encode_utf16().flat_map(to).collect()
        };
        assert_eq!(found(&wide(u16::to_le_bytes)).unwrap(), "UTF-16LE");
        assert_eq!(found(&wide(u16::to_be_bytes)).unwrap(), "UTF-16BE");
        assert_eq!(
            found(&zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap(),
            "UTF-8"
        );
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        assert_eq!(found(&gzip.finish().unwrap()).unwrap(), "UTF-8");
        std::fs::write(&path, b"a\nb\xff\xff\n").unwrap();
        let told = found_in(&path).unwrap_err().to_string();
        assert!(told.contains("line 2") && told.contains("encoding:"), "{told}");
    }
}
