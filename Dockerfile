# syntax=docker/dockerfile:1
# One image for all services; docker-compose.yml says which of them a container runs.

FROM python:3.11-slim-bookworm AS build
# More of pyproject.toml's extras, as in `--build-arg EXTRAS=ccxt`.
ARG EXTRAS=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /opt/aviary
# The libraries first: they change less often than the code, and so stay in the layer cache.
COPY pyproject.toml README.md LICENSE ./
COPY app/__init__.py app/
RUN --mount=type=cache,target=/root/.cache/pip /opt/venv/bin/pip install --editable ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Aviary" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 aviary \
 && useradd --uid 10001 --gid aviary --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin aviary \
 && install -d -o aviary -g aviary /var/lib/aviary /var/cache/aviary /var/cache/aviary/kernels
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/aviary/kernels \
    AVIARY_ARCHIVE=/var/lib/aviary/archive \
    METRICS_HOST=0.0.0.0
WORKDIR /opt/aviary
COPY --from=build /opt/venv /opt/venv
COPY pyproject.toml LICENSE ./
COPY app/ app/
COPY config/ config/
COPY models/ models/
# A checkout may be its owner's only to read. The root file system is read-only later: byte code is made now.
RUN chmod -R a+rX . && python -m compileall -q app
USER 10001:10001
# So that a container does not spend its first minute compiling. The code suits this machine's processor; on another
# kind the kernels are compiled once more.
RUN python -m app.features.warm && python -m app.executor.warm
STOPSIGNAL SIGTERM
# Often while starting, since others wait for it; seldom afterwards, since each asking starts an interpreter.
HEALTHCHECK --interval=15s --start-interval=1s --start-period=90s --timeout=4s --retries=3 \
    CMD python -m app.core.health "$HEALTH_PORT"
CMD ["python", "-m", "app", "--help"]
