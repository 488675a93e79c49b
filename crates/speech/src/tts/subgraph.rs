//! Cuts a piece out of an ONNX model file.
//!
//! An ONNX file is one protobuf message. Only the few fields that say how nodes hang together are looked at; all
//! others are carried over byte by byte, so that nothing is lost that this code has never heard of.

use std::collections::HashSet;

/// Field numbers of `onnx.ModelProto`, `GraphProto`, `NodeProto`, `TensorProto` and `ValueInfoProto`.
mod field {
    pub const MODEL_GRAPH: u64 = 7;
    pub const GRAPH_NODE: u64 = 1;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const GRAPH_INPUT: u64 = 11;
    pub const GRAPH_OUTPUT: u64 = 12;
    pub const GRAPH_VALUE_INFO: u64 = 13;
    pub const NODE_INPUT: u64 = 1;
    pub const NODE_OUTPUT: u64 = 2;
    pub const TENSOR_NAME: u64 = 8;
    pub const VALUE_NAME: u64 = 1;
}

/// What to cut out: everything needed to get from `inputs` to `outputs`.
pub(super) struct Subgraph<'a> {
    pub inputs: &'a [&'a str],
    pub outputs: &'a [&'a str],
}

/// The model reduced to `subgraph`, or `None` when the file does not hold these tensors or can't be taken apart.
pub(super) fn extract(model: &[u8], subgraph: &Subgraph<'_>) -> Option<Vec<u8>> {
    let graph = fields(model)?.into_iter().find(|field| field.number == field::MODEL_GRAPH)?.body;
    let parts = fields(graph)?;
    let nodes: Vec<Node<'_>> = parts
        .iter()
        .filter(|part| part.number == field::GRAPH_NODE)
        .map(|part| Node::parse(part.body))
        .collect::<Option<_>>()?;

    // Nodes come in the order they run, so one walk from the end finds all that the outputs need.
    let mut needed: HashSet<&str> = subgraph.outputs.iter().copied().collect();
    let mut kept = vec![false; nodes.len()];
    for (node, keep) in nodes.iter().zip(&mut kept).rev() {
        let made = |name: &&str| needed.contains(*name) && !subgraph.inputs.contains(name);
        if node.outputs.iter().any(made) {
            *keep = true;
            needed.extend(&node.inputs);
        }
    }

    let is_named = |body, number, names: &dyn Fn(&str) -> bool| text_field(body, number).is_some_and(names);
    let mut cut = Vec::new();
    let mut node_index = 0;
    let (mut found_inputs, mut found_outputs) = (0, 0);
    for part in &parts {
        match part.number {
            field::GRAPH_NODE => {
                if kept[node_index] {
                    cut.extend_from_slice(part.whole);
                }
                node_index += 1;
            }
            field::GRAPH_INITIALIZER => {
                if is_named(part.body, field::TENSOR_NAME, &|name| needed.contains(name)) {
                    cut.extend_from_slice(part.whole);
                }
            }
            // Every tensor's type is declared in one of these three; those at the new edges move to input or output.
            field::GRAPH_INPUT | field::GRAPH_OUTPUT | field::GRAPH_VALUE_INFO => {
                if is_named(part.body, field::VALUE_NAME, &|name| subgraph.inputs.contains(&name)) {
                    found_inputs += 1;
                    write_field(&mut cut, field::GRAPH_INPUT, part.body);
                } else if is_named(part.body, field::VALUE_NAME, &|name| subgraph.outputs.contains(&name)) {
                    found_outputs += 1;
                    write_field(&mut cut, field::GRAPH_OUTPUT, part.body);
                }
            }
            _ => cut.extend_from_slice(part.whole),
        }
    }
    if found_inputs != subgraph.inputs.len() || found_outputs != subgraph.outputs.len() {
        return None;
    }

    let mut out = Vec::with_capacity(cut.len() + 64);
    for part in fields(model)? {
        if part.number == field::MODEL_GRAPH {
            write_field(&mut out, field::MODEL_GRAPH, &cut);
        } else {
            out.extend_from_slice(part.whole);
        }
    }
    Some(out)
}

struct Node<'a> {
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
}

impl<'a> Node<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let mut node = Self { inputs: Vec::new(), outputs: Vec::new() };
        for part in fields(body)? {
            match part.number {
                field::NODE_INPUT => node.inputs.push(std::str::from_utf8(part.body).ok()?),
                field::NODE_OUTPUT => node.outputs.push(std::str::from_utf8(part.body).ok()?),
                _ => {}
            }
        }
        Some(node)
    }
}

/// One protobuf field: its number, its content, and all its bytes with the key.
struct Field<'a> {
    number: u64,
    body: &'a [u8],
    whole: &'a [u8],
}

/// The fields of a message in order; `None` when these bytes are no message.
fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let start = rest;
        let key = read_varint(&mut rest)?;
        let body = match key & 7 {
            0 => {
                let before = rest;
                read_varint(&mut rest)?;
                &before[..before.len() - rest.len()]
            }
            1 => rest.split_off(..8)?,
            2 => {
                let len = usize::try_from(read_varint(&mut rest)?).ok()?;
                rest.split_off(..len)?
            }
            5 => rest.split_off(..4)?,
            _ => return None,
        };
        fields.push(Field { number: key >> 3, body, whole: &start[..start.len() - rest.len()] });
    }
    Some(fields)
}

fn text_field(message: &[u8], number: u64) -> Option<&str> {
    let field = fields(message)?.into_iter().find(|field| field.number == number)?;
    std::str::from_utf8(field.body).ok()
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write_field(out: &mut Vec<u8>, number: u64, body: &[u8]) {
    write_varint(out, number << 3 | 2);
    write_varint(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, body) in fields {
            write_field(&mut out, *number, body);
        }
        out
    }

    fn names(model: &[u8], number: u64, name: u64) -> Vec<String> {
        let graph = text_free(model);
        fields(&graph)
            .unwrap()
            .iter()
            .filter(|part| part.number == number)
            .map(|part| text_field(part.body, name).unwrap().to_owned())
            .collect()
    }

    fn text_free(model: &[u8]) -> Vec<u8> {
        fields(model).unwrap().iter().find(|part| part.number == field::MODEL_GRAPH).unwrap().body.to_vec()
    }

    /// `a -(f, weight)-> b -(g)-> c`, and `unused`.
    fn model() -> Vec<u8> {
        let graph = message(&[
            (1, &message(&[(1, b"a"), (1, b"weight"), (2, b"b"), (3, b"f")])),
            (1, &message(&[(1, b"b"), (2, b"c"), (3, b"g")])),
            (5, &message(&[(8, b"weight")])),
            (5, &message(&[(8, b"unused")])),
            (11, &message(&[(1, b"a")])),
            (12, &message(&[(1, b"c")])),
            (13, &message(&[(1, b"b")])),
        ]);
        message(&[(2, b"producer"), (7, &graph)])
    }

    #[test]
    fn each_half_keeps_what_it_needs() {
        let first = extract(&model(), &Subgraph { inputs: &["a"], outputs: &["b"] }).unwrap();
        assert_eq!(names(&first, 1, 3), ["f"]);
        assert_eq!(names(&first, 5, 8), ["weight"]);
        assert_eq!((names(&first, 11, 1), names(&first, 12, 1)), (vec!["a".to_owned()], vec!["b".to_owned()]));
        let second = extract(&model(), &Subgraph { inputs: &["b"], outputs: &["c"] }).unwrap();
        assert_eq!(names(&second, 1, 3), ["g"]);
        assert!(names(&second, 5, 8).is_empty());
        assert_eq!(text_field(&second, 2), Some("producer"));
    }

    #[test]
    fn an_unknown_tensor_is_no_cut() {
        assert!(extract(&model(), &Subgraph { inputs: &["a"], outputs: &["nowhere"] }).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = extract(&bytes, &Subgraph { inputs: &["a"], outputs: &["b"] });
        }
    }
}
