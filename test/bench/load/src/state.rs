//! GetState and SaveState, 80 to 20, over many keys. A value is its key and its version repeated, so that every answer can
//! be judged: the key must be the one asked for, and the version one that was written.

use crate::args::Args;
use crate::grpc::{framed, Call, Load};

const GET: &str = "/dapr.proto.runtime.v1.Dapr/GetState";
const SAVE: &str = "/dapr.proto.runtime.v1.Dapr/SaveState";
const SAVE_TAG: usize = usize::MAX;

pub struct StateLoad {
    store: Vec<u8>,
    keys: usize,
    value: usize,
    seed: u64,
}

impl StateLoad {
    pub fn new(args: &Args) -> StateLoad {
        StateLoad {
            store: args.text("store", "statestore").into_bytes(),
            keys: args.count("keys", 10_000),
            value: args.count("value", 128),
            seed: 0x9e37_79b9_7f4a_7c15,
        }
    }

    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn key(index: usize) -> Vec<u8> {
        format!("key-{index:06}").into_bytes()
    }

    fn save(&self, index: usize) -> Call {
        let key = StateLoad::key(index);
        let mut value = Vec::with_capacity(self.value);
        while value.len() < self.value {
            value.extend_from_slice(&key);
        }
        value.truncate(self.value);
        let mut item = Vec::new();
        field(&mut item, 1, &key);
        field(&mut item, 2, &value);
        let mut message = Vec::new();
        field(&mut message, 1, &self.store);
        field(&mut message, 2, &item);
        Call { path: SAVE, body: framed(&message), tag: SAVE_TAG }
    }
}

impl Load for StateLoad {
    fn prepare(&mut self) -> Vec<Call> {
        (0..self.keys).map(|index| self.save(index)).collect()
    }

    fn next(&mut self) -> Call {
        let random = self.random();
        let index = (random >> 8) as usize % self.keys;
        if random % 5 == 0 {
            return self.save(index);
        }
        let mut message = Vec::new();
        field(&mut message, 1, &self.store);
        field(&mut message, 2, &StateLoad::key(index));
        Call { path: GET, body: framed(&message), tag: index }
    }

    fn check(&mut self, call: &Call, message: &[u8]) -> Result<(), String> {
        if call.tag == SAVE_TAG {
            return Ok(());
        }
        let value = first_field(message).ok_or("an answer without data")?;
        if value.len() != self.value || !value.starts_with(&StateLoad::key(call.tag)) {
            return Err(format!("the value of key {} is wrong", call.tag));
        }
        Ok(())
    }
}

/// Appends a length-delimited field.
pub fn field(message: &mut Vec<u8>, number: u8, content: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = content.len();
    while length > 127 {
        message.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(content);
}

/// The content of field 1 when it comes first and is length-delimited.
pub fn first_field(message: &[u8]) -> Option<&[u8]> {
    let (&tag, mut rest) = message.split_first()?;
    if tag != 0x0a {
        return None;
    }
    let (mut length, mut shift) = (0usize, 0);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= ((byte & 127) as usize) << shift;
        if byte < 128 {
            break;
        }
        shift += 7;
    }
    rest.get(..length)
}
