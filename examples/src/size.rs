//! Sizes on the command line.

/// Bytes from `500MB`, `5GB`, `2GiB` or a plain number; KB, MB and GB are powers of 1000, as in transformers.
///
/// # Errors
/// When it is none of these, or nothing.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let (number, unit) = unit.unwrap_or((text, &1));
    let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(*unit));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "give a size such as 500MB, 5GB or 2GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes =
            [("5GB", 5_000_000_000), ("2 GiB", 2 << 30), ("70000", 70_000), ("1KB", 1000), ("3MiB", 3 << 20)];
        for (text, bytes) in sizes {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "0", "-1MB", "5 TB", "1.5GB", "99999999999GB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
