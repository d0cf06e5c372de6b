//! A feature's distribution in the reference and in a window, as bars side by
//! side: an SVG with names and numbers, and a PNG of the bars alone.
//!
//! Why: "PSI 0.31" says that something moved, two rows of bars say what. No
//! font and no renderer is needed: whoever shows the SVG has fonts, and a PNG
//! without text is rectangles. Both are readable on white and on black, since
//! their background is transparent and their colours are of middle lightness.
//! At most [`MAX_BINS`] bins are drawn; the others are summed up in the last.

use std::fmt::Write as _;

use crate::{client::cut, result::BinShare};

/// Bins in a picture.
pub const MAX_BINS: usize = 30;

const WIDTH: u32 = 480;
const HEIGHT: u32 = 220;
/// Space for the scale, and around the bars.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 10.0;
/// Top of the highest bar.
const TOP: f64 = 52.0;
/// The line on which bars stand, with horizontal names below, and with slanted
/// ones.
const BASE_HORIZONTAL: f64 = 192.0;
const BASE_SLANTED: f64 = 160.0;
/// In a PNG there is nothing to write around the bars.
const PNG_MARGIN: f64 = 10.0;

const TEXT: &str = "#7d7d7d";
const AXIS: [u8; 3] = [0x7d, 0x7d, 0x7d];
const REFERENCE: [u8; 3] = [0x9a, 0xa0, 0xa6];
const WINDOW: [u8; 3] = [0xe8, 0x6a, 0x17];

/// Up to so many bins, each has room for a horizontal name.
const MAX_HORIZONTAL: usize = 6;
/// Characters of all horizontal names together.
const HORIZONTAL_ROOM: usize = 66;
/// Characters of a slanted name.
const SLANTED_ROOM: usize = 13;

#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    base: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bar {
    left: f64,
    right: f64,
    top: f64,
    is_window: bool,
}

/// The bins that are drawn, with shares that can be.
fn drawn(bins: &[BinShare]) -> Vec<BinShare> {
    let sane = |share: f64| if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let shown = if bins.len() > MAX_BINS { MAX_BINS - 1 } else { bins.len() };
    let (shown, others) = bins.split_at(shown);
    let mut drawn: Vec<BinShare> = shown
        .iter()
        .map(|bin| BinShare { reference: sane(bin.reference), window: sane(bin.window), ..bin.clone() })
        .collect();
    if !others.is_empty() {
        drawn.push(BinShare {
            label: "others".to_owned(),
            reference: sane(others.iter().map(|bin| sane(bin.reference)).sum()),
            window: sane(others.iter().map(|bin| sane(bin.window)).sum()),
        });
    }
    drawn
}

/// The largest share, never zero.
fn highest(bins: &[BinShare]) -> f64 {
    bins.iter().flat_map(|bin| [bin.reference, bin.window]).fold(f64::MIN_POSITIVE, f64::max)
}

fn bars(bins: &[BinShare], area: Area) -> Vec<Bar> {
    let highest = highest(bins);
    let mut bars = Vec::with_capacity(2 * bins.len());
    for (left, step, bin) in places(bins, area) {
        let (gap, half) = (step * 0.12, step * 0.38);
        for (share, offset, is_window) in [(bin.reference, gap, false), (bin.window, gap + half, true)] {
            let top = area.base - (area.base - area.top) * share / highest;
            bars.push(Bar { left: left + offset, right: left + offset + half, top, is_window });
        }
    }
    bars
}

/// Where each bin begins, and how wide one is.
fn places(bins: &[BinShare], area: Area) -> impl Iterator<Item = (f64, f64, &BinShare)> {
    let count = u32::try_from(bins.len()).unwrap_or(u32::MAX).max(1);
    let step = (area.right - area.left) / f64::from(count);
    (0..count).zip(bins).map(move |(index, bin)| (area.left + step * f64::from(index), step, bin))
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A text as XML: escaped, and without what XML can't carry.
pub(super) fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

/// The picture with its title, names and scale.
#[must_use]
pub fn svg(title: &str, bins: &[BinShare]) -> String {
    let bins = drawn(bins);
    let base = if is_horizontal(&bins) { BASE_HORIZONTAL } else { BASE_SLANTED };
    let area = Area { left: LEFT, right: f64::from(WIDTH) - RIGHT, top: TOP, base };
    let (reference, window) = (hex(REFERENCE), hex(WINDOW));
    let title = escaped(&cut(title, 60));
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" font-size="11" fill="{TEXT}"><title>{title}</title><text x="10" y="18" font-size="13" font-weight="bold">{title}</text><rect x="10" y="28" width="10" height="10" fill="{reference}"/><text x="24" y="37">reference</text><rect x="90" y="28" width="10" height="10" fill="{window}"/><text x="104" y="37">window</text>"#
    );
    // Writing into a string can't fail.
    let _ = write!(
        svg,
        r#"<path d="M{LEFT} {TOP}H{right}M{LEFT} {base}H{right}" stroke="{TEXT}" stroke-opacity="0.5" fill="none"/><text x="{scale}" y="{}" text-anchor="end">{}</text><text x="{scale}" y="{base}" text-anchor="end">0 %</text>"#,
        TOP + 4.0,
        percent(highest(&bins)),
        right = area.right,
        scale = LEFT - 5.0,
    );
    for bar in bars(&bins, area) {
        let _ = write!(
            svg,
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill="{}"/>"#,
            bar.left,
            bar.top,
            bar.right - bar.left,
            base - bar.top,
            if bar.is_window { &window } else { &reference },
        );
    }
    add_names(&mut svg, &bins, area);
    svg.push_str("</svg>");
    svg
}

/// Names below the bars, slanted when there are many.
fn add_names(svg: &mut String, bins: &[BinShare], area: Area) {
    let room = HORIZONTAL_ROOM / bins.len().max(1);
    for (left, step, bin) in places(bins, area) {
        let (middle, below) = (left + step / 2.0, area.base + 16.0);
        let _ = if is_horizontal(bins) {
            let label = escaped(&cut(&bin.label, room));
            write!(svg, r#"<text x="{middle:.1}" y="{below}" text-anchor="middle">{label}</text>"#)
        } else {
            let label = escaped(&cut(&bin.label, SLANTED_ROOM));
            write!(
                svg,
                r#"<text transform="translate({:.1} {}) rotate(-40)" text-anchor="end" font-size="9">{label}</text>"#,
                middle + 3.0,
                area.base + 10.0,
            )
        };
    }
}

fn is_horizontal(bins: &[BinShare]) -> bool {
    bins.len() <= MAX_HORIZONTAL
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// The bars alone; `None` without bins.
#[must_use]
pub fn png(bins: &[BinShare]) -> Option<Vec<u8>> {
    if bins.is_empty() {
        return None;
    }
    let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
    let base = height - PNG_MARGIN;
    let area = Area { left: PNG_MARGIN, right: width - PNG_MARGIN, top: PNG_MARGIN, base };
    let mut canvas = Canvas::new();
    for bar in bars(&drawn(bins), area) {
        canvas.fill(bar.left, bar.top, bar.right, base, if bar.is_window { 3 } else { 2 });
    }
    canvas.fill(area.left, base, area.right, base + 1.0, 1);
    canvas.encode().ok()
}

/// Pixels as indices into a palette: transparent, axis, reference, window.
struct Canvas(Vec<u8>);

impl Canvas {
    fn new() -> Self {
        Self(vec![0; usize::try_from(WIDTH * HEIGHT).unwrap_or_default()])
    }

    /// Edges are rounded to whole pixels; what lies outside is left out.
    fn fill(&mut self, left: f64, top: f64, right: f64, bottom: f64, colour: u8) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the canvas")]
        let pixel = |edge: f64, end: u32| edge.round().clamp(0.0, f64::from(end)) as usize;
        let (left, right) = (pixel(left, WIDTH), pixel(right, WIDTH));
        let (top, bottom) = (pixel(top, HEIGHT), pixel(bottom, HEIGHT));
        let width = usize::try_from(WIDTH).unwrap_or(usize::MAX);
        for row in self.0.chunks_mut(width).take(bottom).skip(top) {
            if let Some(pixels) = row.get_mut(left..right) {
                pixels.fill(colour);
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette([[0; 3], AXIS, REFERENCE, WINDOW].concat());
        encoder.set_trns(vec![0, 255, 255, 255]);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.0)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    fn bin(label: &str, reference: f64, window: f64) -> BinShare {
        BinShare { label: label.to_owned(), reference, window }
    }

    /// The palette's indices, row by row.
    fn pixels(png: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
        pixels.chunks(usize::try_from(WIDTH).unwrap()).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn heights_are_in_proportion_to_shares() {
        let rows = pixels(&png(&[bin("a", 0.5, 0.25)]).unwrap());
        let height = |colour| rows.iter().filter(|row| row.contains(&colour)).count();
        assert_eq!((height(2), height(3)), (200, 100));
        assert!(rows[0].iter().all(|&pixel| pixel == 0), "the background is transparent");
    }

    #[test]
    fn many_bins_and_senseless_shares_give_a_picture_all_the_same() {
        let mut bins: Vec<_> = (0..5_000).map(|n| bin(&format!("c{n}"), 0.0002, 0.0)).collect();
        bins[7].window = f64::NAN;
        bins[8].reference = f64::INFINITY;
        let shown = drawn(&bins);
        assert_eq!(shown.len(), MAX_BINS);
        assert!((shown[MAX_BINS - 1].reference - 4_971.0 * 0.0002).abs() < 1e-9);
        assert_eq!(svg("many", &bins).matches("<rect").count(), 2 + 2 * MAX_BINS);
        pixels(&png(&bins).unwrap());
        pixels(&png(&[bin("a", 0.0, 0.0)]).unwrap());
        assert_eq!(png(&[]), None);
    }

    #[test]
    fn names_are_cut_and_escaped() {
        let svg = svg("a < b & \"c\"\u{0}", &vec![bin("<script>alert(1)</script>", 0.1, 0.2); 6]);
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;\u{fffd}"), "{svg}");
        assert!(svg.contains(">&lt;script&gt;ale…<"), "{svg}");
    }

    #[test]
    fn nothing_but_a_frame_is_drawn_without_bins() {
        assert!(svg("nothing", &[]).ends_with("</svg>"));
    }

    /// Whether there is nothing in a text that XML can't carry, but tags.
    fn is_well_formed(svg: &str) -> bool {
        const ENTITIES: [&str; 5] = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        let entities = svg.split('&').skip(1).all(|rest| ENTITIES.iter().any(|name| rest.starts_with(name)));
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let Some((tag, text)) = part.split_once('>') else { return false };
            if text.contains('>') || tag.matches('"').count() % 2 != 0 {
                return false;
            }
            let name = tag.split(' ').next().unwrap_or_default().to_owned();
            match name.strip_prefix('/') {
                Some(closed) if open.pop().as_deref() != Some(closed) => return false,
                Some(_) => {}
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        entities
            && open.is_empty()
            && !svg.chars().any(|c| c.is_control() || c == '\u{fffe}' || c == '\u{ffff}')
    }

    proptest! {
        #[test]
        fn whatever_names_and_shares_are_a_picture_is_one(
            title in any::<String>(),
            bins in collection::vec((any::<String>(), any::<f64>(), any::<f64>()), 0..60),
        ) {
            let bins: Vec<_> = bins.iter().map(|(label, reference, window)| bin(label, *reference, *window)).collect();
            let svg = svg(&title, &bins);
            prop_assert!(is_well_formed(&svg), "{}", svg);
            prop_assert!(!svg.contains("NaN") || title.contains("NaN") || bins.iter().any(|bin| bin.label.contains("NaN")));
            if let Some(png) = png(&bins) {
                pixels(&png);
            }
        }
    }
}
