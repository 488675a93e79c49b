//! One process, one runtime. A single test, because what it asks about is the state of the whole process.

use std::path::Path;
use std::thread;

use aether_onnx::{Error, Processor, TensorRef, init, inputs, read_model, session};
use aether_testkit as testkit;

#[test]
fn a_process_has_one_runtime_that_whoever_needs_it_may_ask_for() {
    let layout = testkit::layout();
    let silero = layout.model("silero-vad", "silero_vad.onnx");
    let mini_lm = layout.model("all-MiniLM-L6-v2", "model.onnx");
    let detector = read_model(&silero).unwrap();

    assert!(matches!(session(&detector, &silero, Processor::Cpu), Err(Error::NotLoaded)));
    let error = init(Path::new("/nowhere/libonnxruntime.so")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/libonnxruntime.so; `aether up` puts it there"), "{error}");
    let error = init(&silero).unwrap_err();
    assert!(matches!(&error, Error::Load { path, .. } if path.ends_with("silero_vad.onnx")), "{error}");

    let library = layout.library("libonnxruntime.so");
    thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| init(&library))).collect();
        asking.into_iter().for_each(|asked| asked.join().unwrap().unwrap());
    });
    init(Path::new("/nowhere/libonnxruntime.so")).unwrap();

    // This library knows no cards; one that does needs a card.
    let error = session(&detector, &silero, Processor::Cuda).unwrap_err().to_string();
    assert!(error.contains("does not run on an NVIDIA card") && error.contains("AETHER_CUDA=off"), "{error}");

    let mut detector = session(&detector, &silero, Processor::Cpu).unwrap();
    let sentences = session(&read_model(&mini_lm).unwrap(), &mini_lm, Processor::Cpu).unwrap();
    assert!(sentences.outputs().iter().any(|output| output.name() == "last_hidden_state"));
    let (window, state) = (vec![0.0_f32; 576], vec![0.0_f32; 256]);
    let outputs = detector
        .run(inputs![
            "input" => TensorRef::from_array_view(([1, 576], window.as_slice())).unwrap(),
            "state" => TensorRef::from_array_view(([2, 1, 128], state.as_slice())).unwrap(),
            "sr" => TensorRef::from_array_view(([1usize; 0], &[16_000_i64][..])).unwrap(),
        ])
        .unwrap();
    let (_, probability) = outputs["output"].try_extract_tensor::<f32>().unwrap();
    assert!(probability[0] < 0.5, "silence is no voice: {probability:?}");

    let error = session(b"not a model", Path::new("broken.onnx"), Processor::Cpu).unwrap_err().to_string();
    assert!(error.starts_with("the model broken.onnx can't be used: "), "{error}");
    let error = read_model(Path::new("/nowhere/model.onnx")).unwrap_err().to_string();
    assert_eq!(error, "no model at /nowhere/model.onnx; get it with `aether models get`");
}
