//! Batches as Arrow IPC streams. What a stream says of its own sizes is checked against its bytes before any memory is taken for
//! it: the reader takes as much as the stream says, and where there is not as much, the process ends.

use std::{io::Cursor, panic::catch_unwind};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::DataType,
    error::ArrowError,
    ipc::{Message, reader::StreamReader, root_as_message},
};

use dualwheel_proto::MOST_ROWS;

use crate::Error;

/// Bytes that the columns of a stream may take when they are unpacked: compressed buffers, dictionaries and shared texts.
pub const MOST_UNPACKED_BYTES: usize = 256 << 20;
/// Stands before the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The rows of a stream as one batch, in whatever types they came.
///
/// # Errors
/// When it is no such stream, or has too many rows or bytes.
pub fn read(bytes: &[u8]) -> Result<RecordBatch, Error> {
    check_sizes(bytes)?;
    // Where a stream contradicts itself, the reader may panic instead of saying so.
    let read = catch_unwind(|| read_checked(bytes));
    read.unwrap_or_else(|_| Err(malformed("arrow_ipc contradicts itself".to_owned())))
}

fn read_checked(bytes: &[u8]) -> Result<RecordBatch, Error> {
    let wrong = |error: ArrowError| malformed(format!("arrow_ipc cannot be read: {error}"));
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(wrong)?;
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(wrong)?;
    let columns = batches.iter().flat_map(RecordBatch::columns);
    at_most(
        columns
            .map(|column| unpacked(column))
            .fold(0, usize::saturating_add),
    )?;
    Ok(concat_batches(&schema, &batches)?)
}

/// Refuses a batch of more rows than `most`.
pub(crate) fn admit_rows(rows: usize, most: usize) -> Result<(), Error> {
    if rows <= most {
        return Ok(());
    }
    Err(Error::TooLarge {
        given: format!("{rows} rows"),
        most: format!("{most} rows"),
    })
}

fn malformed(reason: String) -> Error {
    Error::Malformed { reason }
}

fn breaks_off() -> Error {
    malformed("arrow_ipc breaks off".to_owned())
}

fn at_most(unpacked: usize) -> Result<(), Error> {
    if unpacked <= MOST_UNPACKED_BYTES {
        return Ok(());
    }
    Err(Error::TooLarge {
        given: format!("{unpacked} bytes when unpacked"),
        most: format!("{MOST_UNPACKED_BYTES} bytes"),
    })
}

/// Walks over the messages: each must lie within the stream, with as many rows, and with buffers that claim as many bytes, as
/// are admitted.
fn check_sizes(mut stream: &[u8]) -> Result<(), Error> {
    let (mut rows, mut bytes) = (0_usize, 0_usize);
    while let Some((message, body)) = next_message(&mut stream)? {
        let dictionary = message.header_as_dictionary_batch();
        let batch = message.header_as_record_batch();
        if let Some(batch) = &batch {
            rows = rows.saturating_add(usize::try_from(batch.length()).unwrap_or(usize::MAX));
        }
        let Some(batch) = batch.or_else(|| dictionary.and_then(|dictionary| dictionary.data())) else {
            continue;
        };
        for buffer in batch.buffers().iter().flatten() {
            let at = usize::try_from(buffer.offset()).ok();
            let length = usize::try_from(buffer.length()).ok();
            let buffer = at
                .zip(length)
                .and_then(|(at, length)| body.get(at..)?.get(..length))
                .ok_or_else(breaks_off)?;
            if let (Some(_), Some(claimed)) = (batch.compression(), buffer.first_chunk::<8>()) {
                // Below zero stands before bytes that are not compressed.
                bytes = bytes.saturating_add(usize::try_from(i64::from_le_bytes(*claimed)).unwrap_or(0));
            }
        }
    }
    admit_rows(rows, MOST_ROWS)?;
    at_most(bytes)
}

/// The next message and its body; `None` at the end.
fn next_message<'a>(stream: &mut &'a [u8]) -> Result<Option<(Message<'a>, &'a [u8])>, Error> {
    let mut take = |bytes: usize| {
        let (taken, left) = stream.split_at_checked(bytes)?;
        *stream = left;
        Some(taken)
    };
    let word = |taken: Option<&[u8]>| taken.and_then(|word| word.first_chunk::<4>().copied());
    let Some(mut length) = word(take(4)) else {
        return Ok(None);
    };
    if length == CONTINUATION {
        length = word(take(4)).ok_or_else(breaks_off)?;
    }
    let length = usize::try_from(i32::from_le_bytes(length)).map_err(|_| breaks_off())?;
    if length == 0 {
        return Ok(None);
    }
    let header = take(length).ok_or_else(breaks_off)?;
    let message = root_as_message(header)
        .map_err(|error| malformed(format!("arrow_ipc is no Arrow IPC stream: {error}")))?;
    let body = usize::try_from(message.bodyLength()).ok().and_then(take);
    Ok(Some((message, body.ok_or_else(breaks_off)?)))
}

/// Bytes that values which share their memory take when each has its own.
fn unpacked(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let values = dictionary.values();
            if values.is_empty() {
                return 0;
            }
            let length = |at: usize| {
                let value = values.slice(at, 1);
                let plain = value.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
                plain.saturating_add(unpacked(&value))
            };
            let lengths: Vec<usize> = (0..values.len()).map(length).collect();
            let keys = dictionary.normalized_keys();
            keys.iter()
                .filter_map(|key| lengths.get(*key))
                .fold(0, |sum, length| sum.saturating_add(*length))
        }
        DataType::Utf8View => array.as_string_view().total_bytes_len(),
        DataType::BinaryView => array.as_binary_view().total_bytes_len(),
        DataType::List(_) => unpacked(array.as_list::<i32>().values()),
        DataType::LargeList(_) => unpacked(array.as_list::<i64>().values()),
        DataType::FixedSizeList(_, _) => unpacked(array.as_fixed_size_list().values()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, DictionaryArray, Int32Array, StringArray, StringViewBuilder},
        ipc::{
            CompressionType,
            writer::{IpcWriteOptions, StreamWriter},
        },
    };

    use super::*;

    fn stream(column: ArrayRef, compression: Option<CompressionType>) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter([("brand", column)]).unwrap();
        let options = IpcWriteOptions::default()
            .try_with_compression(compression)
            .unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn texts() -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..1_000).map(|number| format!("brand {}", number % 7)),
        ))
    }

    /// The stream with the last place where `number` stands saying `lie`.
    fn lying(mut stream: Vec<u8>, number: i64, lie: i64) -> Vec<u8> {
        let told = number.to_le_bytes();
        let at = stream.windows(8).rposition(|bytes| bytes == told).unwrap();
        stream[at..at + 8].copy_from_slice(&lie.to_le_bytes());
        stream
    }

    fn body_of_last(mut stream: &[u8]) -> usize {
        let mut body = 0;
        while let Some((_, next)) = next_message(&mut stream).unwrap() {
            body = next.len();
        }
        body
    }

    #[test]
    fn streams_are_read_as_written() {
        for compression in [
            None,
            Some(CompressionType::ZSTD),
            Some(CompressionType::LZ4_FRAME),
        ] {
            let read = read(&stream(texts(), compression)).unwrap();
            assert_eq!(read.column(0).as_ref(), texts().as_ref());
        }
        assert!(matches!(read(&[]), Err(Error::Malformed { .. })));
    }

    #[test]
    fn no_memory_is_taken_for_what_a_stream_only_claims() {
        let plain = stream(texts(), None);
        let body = i64::try_from(body_of_last(&plain)).unwrap();
        assert!(matches!(
            read(&lying(plain, body, 1 << 46)),
            Err(Error::Malformed { .. })
        ));
        // The texts are 7 bytes each.
        for compression in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
            let packed = stream(texts(), Some(compression));
            assert!(matches!(
                read(&lying(packed, 7_000, 1 << 46)),
                Err(Error::TooLarge { .. })
            ));
        }
        let rows = stream(texts(), None);
        assert!(matches!(
            read(&lying(rows, 1_000, 1 << 46)),
            Err(Error::TooLarge { .. } | Error::Malformed { .. })
        ));
    }

    #[test]
    fn texts_that_share_their_memory_are_counted_each() {
        let long = "x".repeat(1 << 20);
        let keys = Int32Array::from_value(0, 1_000);
        let values = Arc::new(StringArray::from(vec![long.as_str()]));
        let dictionary = DictionaryArray::new(keys, values);
        let mut views = StringViewBuilder::new().with_deduplicate_strings();
        (0..1_000).for_each(|_| views.append_value(&long));
        for column in [Arc::new(dictionary) as ArrayRef, Arc::new(views.finish())] {
            let sent = stream(column, None);
            assert!(sent.len() < 2 << 20, "{}", sent.len());
            assert!(matches!(read(&sent), Err(Error::TooLarge { .. })));
        }
    }
}
