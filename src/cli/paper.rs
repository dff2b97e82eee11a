//! A key as a page to print: what it is for, its text, and a QR code of the text.

use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// Quiet zone around a QR code in modules, as ISO/IEC 18004 asks for.
const QUIET_MODULES: usize = 4;

/// Draws a text as a QR code of half blocks, dark on light when it is printed black on white: two rows of modules a line.
///
/// # Errors
/// [`ErrorKind::Other`] for a text that is too long for a code: more than about 2300 bytes.
pub fn qr_code(text: &str) -> Result<Zeroizing<String>> {
    let too_long = |error| Error::with_source(ErrorKind::Other, "the key does not fit into a QR code", error);
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).map_err(too_long)?;
    let (width, modules) = (code.width(), Zeroizing::new(dark_modules(&code)));
    let is_dark = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET_MODULES).filter(|at| *at < width);
        inside(row).zip(inside(column)).is_some_and(|(row, column)| modules[row * width + column])
    };
    let size = width + 2 * QUIET_MODULES;
    // A half block has at most three bytes.
    let mut lines = Zeroizing::new(String::with_capacity(size.div_ceil(2) * (3 * size + 1)));
    for row in (0..size).step_by(2) {
        for column in 0..size {
            lines.push(match (is_dark(row, column), is_dark(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push('\n');
    }
    Ok(lines)
}

fn dark_modules(code: &QrCode) -> Vec<bool> {
    code.to_colors().into_iter().map(|color| color == qrcode::Color::Dark).collect()
}

#[cfg(test)]
mod tests;
