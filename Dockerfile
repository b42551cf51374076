# Name it by digest for an image that can be made again: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:...
ARG PYTHON=python:3.13-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY collector collector
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/collector \
    && /opt/collector/bin/pip install --no-cache-dir -c constraints.txt "$(echo /wheels/*.whl)[otel,parquet,plot,xlsx]"

# hadolint ignore=DL3006
FROM ${PYTHON}
# Numeric, so that an orchestrator can see that it is not root.
RUN groupadd --gid 10001 collector \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/collector collector \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/collector
COPY --from=build /opt/collector /opt/collector
ENV PATH=/opt/collector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    COLLECTOR_DATA_DIR=/var/lib/collector \
    COLLECTOR_HTTP_HOST=0.0.0.0 \
    COLLECTOR_HTTP_OPEN=health \
    COLLECTOR_LOG_FORMAT=json
WORKDIR /var/lib/collector
USER 10001:10001
EXPOSE 9470
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9470/healthz', timeout=4)"]
ENTRYPOINT ["collector"]
CMD ["run"]
