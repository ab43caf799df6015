# syntax=docker/dockerfile:1
# Countersign: controller, authorizer, bootstrap and CLI. Runs as 65532, needs no writable root and no shell.
# Build a pinned image with --build-arg BUILD_IMAGE=…@sha256:… --build-arg RUNTIME_IMAGE=…@sha256:…
ARG NODE_VERSION=24
ARG BUILD_IMAGE=node:${NODE_VERSION}-trixie-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs${NODE_VERSION}-debian13:nonroot

FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# The folder is filled by the script that also assembles the image without Docker.
RUN --mount=type=cache,target=/root/.npm npm run -s build && node scripts/image/stage.mjs /image/app

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://github.com/countersign/countersign
LABEL org.opencontainers.image.title="countersign" \
      org.opencontainers.image.description="Signed-API access control for Kubernetes and Envoy" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /image/ /
WORKDIR /app
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/cli/main.js"]
CMD ["--help"]
