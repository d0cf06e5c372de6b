//! The element types of tensors, by the names of the Open Inference Protocol.

use super::values::Kind;

/// Of what a tensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datatype(&'static str);

/// Whole numbers and what they range over. The largest of 64 bits are those that
/// a 64-bit float can hold.
const WHOLE: [(Datatype, f64, f64); 8] = [
    (Datatype("UINT8"), 0.0, 255.0),
    (Datatype("UINT16"), 0.0, 65_535.0),
    (Datatype("UINT32"), 0.0, 4_294_967_295.0),
    (Datatype("UINT64"), 0.0, 18_446_744_073_709_549_568.0),
    (Datatype("INT8"), -128.0, 127.0),
    (Datatype("INT16"), -32_768.0, 32_767.0),
    (Datatype("INT32"), -2_147_483_648.0, 2_147_483_647.0),
    (Datatype::INT64, -9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0),
];

/// The largest number of 16 bits.
const MOST_FP16: f64 = 65_504.0;

impl Datatype {
    /// 32-bit numbers.
    pub const FP32: Self = Self("FP32");
    /// 64-bit numbers.
    pub const FP64: Self = Self("FP64");
    /// 64-bit whole numbers.
    pub const INT64: Self = Self("INT64");
    /// Texts.
    pub const BYTES: Self = Self("BYTES");

    /// The type of this name; `None` when there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let others = [Self::FP32, Self::FP64, Self::BYTES, Self("FP16"), Self("BOOL")];
        let whole = WHOLE.iter().map(|(datatype, ..)| *datatype);
        whole.chain(others).find(|datatype| datatype.0 == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// How its values are written; `texts` are those of the input.
    pub(super) fn kind(self, texts: Option<&[String]>) -> Result<Kind, String> {
        match (self.0, texts) {
            ("BYTES", Some(texts)) => Ok(Kind::texts(texts)),
            ("BYTES", None) => {
                Err("the server takes texts here; say text = true in the file of inputs".to_owned())
            }
            (other, Some(_)) => {
                Err(format!("the server takes {other} here, not texts; leave text = true out"))
            }
            ("BOOL", None) => Ok(Kind::Flag),
            ("FP16", None) => Ok(Kind::Single { most: MOST_FP16 }),
            ("FP32", None) => Ok(Kind::Single { most: f64::from(f32::MAX) }),
            (_, None) => {
                let whole = WHOLE.iter().find(|(datatype, ..)| *datatype == self);
                Ok(whole.map_or(Kind::Number, |&(_, least, most)| Kind::Whole { least, most }))
            }
        }
    }
}
