//! Files as text: unpacked, in UTF-8, whatever they are stored as.

use std::{
    fs::File,
    io::{self, BufReader, Read},
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

/// Whether a file is packed.
pub(super) fn is_packed(begin: &[u8]) -> bool {
    begin.starts_with(&GZIP) || begin.starts_with(&ZSTD)
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

/// The encoding of a file: the declared one, that of its byte order mark, UTF-8 where all of it is UTF-8, else GB18030 (which
/// GBK is a part of).
///
/// # Errors
/// When it cannot be read, the declared name is none, or it is none of these.
pub(super) fn encoding(path: &Path, declared: Option<&str>) -> Result<&'static Encoding, Error> {
    let failed = |error: io::Error| wrong(format!("{} cannot be read: {error}", path.display()));
    if let Some(name) = declared {
        return Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            wrong(format!(
                "`encoding: {name}` is none; for example utf-8, gbk, gb18030, utf-16le"
            ))
        });
    }
    let mut first = [0; 3];
    let read = read_full(&mut *unpacked(path).map_err(failed)?, &mut first).map_err(failed)?;
    if let Some((marked, _)) = Encoding::for_bom(first.get(..read).unwrap_or_default()) {
        return Ok(marked);
    }
    // Text of the sort has no zeros; that of UTF-16 has them in every other byte of a line break.
    match first {
        [0, _, _] if read > 1 => return Ok(UTF_16BE),
        [_, 0, _] if read > 1 => return Ok(UTF_16LE),
        _ => {}
    }
    let mut refused = None;
    for encoding in [UTF_8, GB18030] {
        let mut text = Text::new(unpacked(path).map_err(failed)?, encoding, None);
        match io::copy(&mut text, &mut io::sink()) {
            Ok(_) => return Ok(encoding),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => refused = refused.or(Some(error)),
            Err(error) => return Err(failed(error)),
        }
    }
    let place = refused.map_or_else(String::new, |error| error.to_string());
    Err(wrong(format!(
        "{}, {place}, and none of GB18030; say which encoding it is with `encoding:` in the mapping's source",
        path.display()
    )))
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

/// Text in UTF-8, without a byte order mark. Bytes that are none of the encoding are an error that tells their line.
pub(super) struct Text {
    raw: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    decoder: Decoder,
    /// What is put for a separator of several bytes: its text, and the one byte.
    separator: Option<(String, char)>,
    /// Raw bytes that are not decoded yet.
    waiting: Vec<u8>,
    /// Decoded text from which a separator that is cut in two is not taken yet.
    cut: String,
    ready: Vec<u8>,
    at: usize,
    lines: u64,
    ended: bool,
}

impl Text {
    pub fn new(
        raw: Box<dyn Read + Send>,
        encoding: &'static Encoding,
        separator: Option<(String, char)>,
    ) -> Self {
        Self {
            raw,
            encoding,
            decoder: encoding.new_decoder_with_bom_removal(),
            separator,
            waiting: Vec::new(),
            cut: String::new(),
            ready: Vec::new(),
            at: 0,
            lines: 0,
            ended: false,
        }
    }

    /// Makes more text ready.
    fn fill(&mut self) -> io::Result<()> {
        let before = self.waiting.len();
        self.waiting.resize(before + CHUNK, 0);
        let read = self
            .raw
            .read(self.waiting.get_mut(before..).unwrap_or_default())?;
        self.waiting.truncate(before + read);
        self.ended = read == 0;
        let most = self
            .decoder
            .max_utf8_buffer_length_without_replacement(self.waiting.len());
        let mut text = std::mem::take(&mut self.cut);
        text.reserve(most.unwrap_or(4 * CHUNK));
        let from = text.len();
        let mut used = 0;
        loop {
            let rest = self.waiting.get(used..).unwrap_or_default();
            let (result, some) = self
                .decoder
                .decode_to_string_without_replacement(rest, &mut text, self.ended);
            used += some;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => text.reserve(CHUNK),
                DecoderResult::Malformed(..) => {
                    let told = text.get(from..).unwrap_or_default();
                    let line = self.lines + told.matches('\n').count() as u64 + 1;
                    let message = format!("line {line}: bytes that are no {}", self.encoding.name());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
        self.waiting.drain(..used);
        self.lines += text.get(from..).unwrap_or_default().matches('\n').count() as u64;
        self.ready = self.separated(text)?.into_bytes();
        self.at = 0;
        Ok(())
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
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
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

impl Read for Text {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.ready.len() {
            if self.ended {
                return Ok(0);
            }
            self.fill()?;
        }
        let rest = self.ready.get(self.at..).unwrap_or_default();
        let some = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..some), rest.get(..some)) {
            to.copy_from_slice(from);
        }
        self.at += some;
        Ok(some)
    }
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
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(read(&wide, piece, UTF_16LE, None).unwrap(), text.as_str());
        }
    }

    #[test]
    fn what_is_no_text_of_the_encoding_is_told_with_its_line() {
        let error = read(b"a\nb\nc\xff\n", 2, UTF_8, None).unwrap_err();
        assert_eq!(error.to_string(), "line 3: bytes that are no UTF-8");
    }

    #[test]
    fn encodings_are_found_and_packed_files_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let text = "店铺,金额\n";
        let found = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let encoding = encoding(&path, None)?;
            let mut whole = String::new();
            Text::new(unpacked(&path).unwrap(), encoding, None)
                .read_to_string(&mut whole)
                .unwrap();
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
        let told = encoding(&path, None).unwrap_err().to_string();
        assert!(told.contains("line 2") && told.contains("encoding:"), "{told}");
    }
}
