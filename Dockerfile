# One image for the six services and the command line; which of them runs, docker-compose.yml says. A second one is the same
# with CUDA, for what can use an NVIDIA card.
#
#   docker build --target aether --tag aether:0.1.0 .
#   docker build --target aether-gpu --tag aether-gpu:0.1.0 .
#
# With --build-arg BUILT=outside nothing is compiled or fetched here: programs, libraries and the page are taken from the
# folders .image and .image-gpu (see scripts/try-compose).
ARG BUILT=compiled

# ---- the page

FROM --platform=$BUILDPLATFORM node:22.20.0-bookworm-slim AS page
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --no-update-notifier
COPY web ./
RUN npm run build -- --outDir /out --emptyOutDir

# ---- libraries that are loaded at run time, of the versions that the tests use

FROM debian:12.12-slim AS libraries
# hadolint ignore=DL3008 # whatever the pinned base's release holds: only pip and its Python are used
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /work
COPY deploy/python-parts.txt deploy/unpack_parts.py ./
# pip takes the one wheel that suits this machine, and believes only the hashes that are written there.
RUN --mount=type=cache,target=/root/.cache/pip \
    grep -E '^(livekit|onnxruntime)==' python-parts.txt >image-parts.txt \
    && python3 -m pip download --disable-pip-version-check --progress-bar off --no-deps --require-hashes \
        --only-binary :all: --dest wheels --requirement image-parts.txt \
    && python3 unpack_parts.py wheels /out/parts livekit onnxruntime

# ---- the programs

FROM rust:1.95.0-bookworm AS programs
# hadolint ignore=DL3008 # whatever the pinned base's release holds: a build tool, which is not in what is built
RUN apt-get update && apt-get install --yes --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The caches keep what was fetched and compiled: after a change, only what depends on it is compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target,id=aether-$TARGETARCH \
    SQLX_OFFLINE=true cargo build --locked --workspace --bins \
    && for program in aether aether-gateway aether-agent aether-brain aether-tts aether-scheduler aether-notifier; do \
        install -D --strip "target/debug/$program" "/out/bin/$program" || exit 1; \
    done

# ---- the same with CUDA, where that makes a difference

FROM libraries AS cuda-packages
COPY deploy/cuda-parts.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip install --disable-pip-version-check --progress-bar off --no-deps --require-hashes --only-binary :all: \
        --target /packages --requirement cuda-parts.txt

FROM programs AS programs-gpu
COPY --from=cuda-packages /packages /packages
# Cards that are not named here compile for themselves what they need, once.
ARG CUDA_ARCHITECTURES="75-virtual;80-virtual;86-real;89-real;120a-real"
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target,id=aether-$TARGETARCH \
    deploy/unpack-cuda /packages /usr/local/cuda /out-gpu/parts/lib \
    && PATH=/usr/local/cuda/bin:$PATH CMAKE_CUDA_ARCHITECTURES=$CUDA_ARCHITECTURES SQLX_OFFLINE=true \
        cargo build --locked --workspace --bin aether-agent --features aether-agent/cuda \
    && install -D --strip target/debug/aether-agent /out-gpu/bin/aether-agent

# ---- where both come from

FROM scratch AS compiled
COPY --from=programs /out /out
COPY --from=libraries /out /out
COPY --from=page /out /out/web

FROM scratch AS outside
COPY .image /out

FROM scratch AS compiled-gpu
COPY --from=programs-gpu /out-gpu /out

FROM scratch AS outside-gpu
COPY .image-gpu /out

# hadolint ignore=DL3006 # one of those above
FROM ${BUILT} AS built

# hadolint ignore=DL3006 # one of those above
FROM ${BUILT}-gpu AS built-gpu

# ---- what is shipped

FROM debian:12.12-slim AS aether
# hadolint ignore=DL3008 # whatever the pinned base's release holds, security updates included
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl espeak-ng libgomp1 openssl tzdata \
    && rm -rf /var/lib/apt/lists/*
COPY --from=built /out /opt/aether
# New volumes are made like these folders, so that the services can write there.
RUN mkdir -p /opt/aether/models /opt/aether/state && chown 10001:10001 /opt/aether/models /opt/aether/state
ENV AETHER_HOME=/opt/aether PATH=/opt/aether/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /opt/aether
USER 10001:10001
CMD ["aether", "--help"]

# Everything stays as it is; what is on a card replaces what is not.
FROM aether AS aether-gpu
COPY --from=built-gpu /out /opt/aether
# What a card compiled for itself is kept.
ENV LD_LIBRARY_PATH=/opt/aether/parts/lib CUDA_CACHE_PATH=/opt/aether/state/cuda
