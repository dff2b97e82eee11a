//! What a file is for a preview, by its first bytes: types that run nothing, and none that a browser could take for a page.

/// Bytes that say what a file is.
pub const HEAD_BYTES: usize = 4096;

/// How a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its text, escaped, in the page.
    Text,
    /// A picture of this type.
    Image(&'static str),
    /// By the browser's own viewer.
    Pdf,
    /// Not at all.
    Other,
}

impl Kind {
    /// Tells by the first bytes of a file, and for text that says nothing of itself by its name.
    #[must_use]
    pub fn of(name: &[u8], head: &[u8]) -> Self {
        let image = |kind| Self::Image(kind);
        match head {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => image("image/png"),
            [0xff, 0xd8, 0xff, ..] => image("image/jpeg"),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => image("image/gif"),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => image("image/webp"),
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => image("image/avif"),
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => image("image/bmp"),
            [0, 0, 1, 0, _, 0, ..] => image("image/x-icon"),
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Pdf,
            _ if !is_text(head) => Self::Other,
            _ if name.to_ascii_lowercase().ends_with(b".svg") => image("image/svg+xml"),
            _ => Self::Text,
        }
    }

    /// Returns the type that it is sent under.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Image(kind) => kind,
            Self::Pdf => "application/pdf",
            Self::Other => "application/octet-stream",
        }
    }
}

/// Returns whether bytes look like text: no control but those that texts have, and mostly UTF-8.
fn is_text(head: &[u8]) -> bool {
    let is_odd = |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    let foreign: usize = head.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    !head.iter().any(is_odd) && foreign * 10 <= head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_say_and_never_a_page() {
        assert_eq!(Kind::of(b"a.html", b"\x89PNG\r\n\x1a\n\0\0"), Kind::Image("image/png"));
        assert_eq!(Kind::of(b"x", b"\xff\xd8\xff\xe0"), Kind::Image("image/jpeg"));
        assert_eq!(Kind::of(b"x.png", b"%PDF-1.7"), Kind::Pdf);
        assert_eq!(Kind::of(b"a.html", b"<script>alert(1)</script>"), Kind::Text);
        assert_eq!(Kind::of(b"a.png", b"<html>"), Kind::Text);
        assert_eq!(Kind::of(b"A.SVG", b"<svg onload='alert(1)'>"), Kind::Image("image/svg+xml"));
        assert_eq!(Kind::of(b"a.txt", b"a\0b"), Kind::Other);
        assert_eq!(Kind::of(b"a.txt", "ä\tö\n".as_bytes()), Kind::Text);
        assert_eq!(Kind::of(b"a.txt", &[0xe4; 100]), Kind::Other);
        assert_eq!(Kind::of(b"empty", b""), Kind::Text);
        for kind in [Kind::Text, Kind::Pdf, Kind::Other, Kind::Image("image/svg+xml")] {
            assert!(!kind.media_type().contains("html"));
        }
    }
}
