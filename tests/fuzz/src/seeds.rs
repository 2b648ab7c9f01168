//! Good inputs to begin with: the golden vectors of the wire.

use serde_json::Value;

const BLOCKS: &str = include_str!("../../../netproto/schema/golden/epoch-1/blocks.json");
const FRAMES: &str = include_str!("../../../netproto/schema/golden/epoch-1/frames.json");
const HELLO: &str = include_str!("../../../netproto/schema/golden/epoch-1/hello.json");
const INPUTS: &str = include_str!("../../../netproto/schema/golden/epoch-1/inputs.json");
const RECORDS: &str = include_str!("../../../netproto/schema/golden/epoch-1/records.json");
const UNIONS: &str = include_str!("../../../netproto/schema/golden/epoch-1/unions.json");
/// Vectors of one block that are worth keeping as seeds.
const PER_BLOCK: usize = 4;

fn vectors(text: &str) -> Vec<Value> {
    let value: Value = serde_json::from_str(text).expect("golden vectors are JSON");
    value.as_array().expect("golden vectors are a list").clone()
}

fn bytes_of(vector: &Value) -> Vec<u8> {
    let hex = vector["hex"].as_str().expect("a vector has its bytes");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("bytes are hexadecimal");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Bytes of the golden vectors of one file, good ones and refused ones.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn golden(file: &str) -> Vec<Vec<u8>> {
    let text = match file {
        "frames" => FRAMES,
        "hello" => HELLO,
        "inputs" => INPUTS,
        "records" => RECORDS,
        other => panic!("no golden file {other}"),
    };
    vectors(text).iter().map(bytes_of).collect()
}

/// Golden frames that decode, in their order.
#[must_use]
pub fn good_frames() -> Vec<Vec<u8>> {
    let good = vectors(FRAMES).into_iter().filter(|vector| vector["error"].is_null());
    good.map(|vector| bytes_of(&vector)).collect()
}

/// A few golden blocks and unions of each name, the name's number in front.
#[must_use]
pub fn golden_blocks(names: &[&str]) -> Vec<Vec<u8>> {
    let all = [vectors(BLOCKS), vectors(UNIONS)].concat();
    let of_name = |which: usize| {
        let named = all.iter().filter(move |vector| vector["name"] == names[which]);
        named.take(PER_BLOCK).map(move |vector| [&[which as u8], bytes_of(vector).as_slice()].concat())
    };
    (0..names.len()).flat_map(of_name).collect()
}
