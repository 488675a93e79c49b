"""Runs llama.cpp's OpenAI-compatible server from its Python package until told to stop.

The package only offers the server as a library; this gives it a command line. Each slot keeps the prompt of one
conversation cached (`cache_prompt`, `id_slot` in a request), which is what makes the first token come early.
"""

import argparse
import os
import signal
import sys


# Whoever listens comes first: on few cores people are transcribed while an answer is still being written, and it is written
# faster than it is spoken.
NICENESS = 10


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", required=True, help="a GGUF file")
    options.add_argument("--name", required=True, help="the name under which the model is served")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--threads", type=int, default=1, help="threads for decoding")
    options.add_argument("--batch-threads", type=int, default=2, help="threads for reading prompts")
    options.add_argument("--parallel", type=int, default=4, help="conversations served side by side")
    options.add_argument("--context", type=int, default=4096, help="tokens that each conversation may hold")
    chosen = options.parse_args()

    try:
        import xllamacpp
    except ImportError as error:
        print(f"xllamacpp can't be loaded ({error}): run scripts/run, or set LLM_ENDPOINT to a server", file=sys.stderr)
        return 1

    os.nice(NICENESS)
    # Before the server starts its threads, so that all of them leave these signals to this one.
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)

    parameters = xllamacpp.CommonParams()
    parameters.model.path = chosen.model
    parameters.model_alias = {chosen.name}
    parameters.hostnames = [chosen.host]
    parameters.port = chosen.port
    parameters.n_parallel = chosen.parallel
    parameters.n_ctx = chosen.context * chosen.parallel
    parameters.cpuparams.n_threads = chosen.threads
    parameters.cpuparams_batch.n_threads = chosen.batch_threads
    parameters.n_gpu_layers = 0
    parameters.endpoint_slots = True
    parameters.use_jinja = True

    server = xllamacpp.Server(parameters)
    print(f"serving {chosen.name} at {server.listening_address}", flush=True)
    signal.sigwait(stop)
    return 0


if __name__ == "__main__":
    # The server's threads are not Python's: leave without waiting for a request that still generates.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
