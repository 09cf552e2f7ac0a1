# The service alone; docker-compose.yml brings NATS, Postgres and Redis with it.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs a script of its own to be installed. The compiler is an optional package of this platform.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# What serving does not need goes in the same step, which keeps layers small. Of redoc one file is served, which holds all that
# redoc's own dependencies would bring.
RUN npm run build \
  && mkdir /kept \
  && cp --parents node_modules/redoc/LICENSE node_modules/redoc/package.json node_modules/redoc/bundles/redoc.standalone.js* /kept \
  && npm uninstall redoc --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund \
  && cp -r /kept/node_modules . \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/migrations ./dist/migrations
COPY --from=build /app/dist/page ./dist/page
COPY --from=build /app/web/docs ./web/docs
COPY config/alerts.yaml config/business.yaml config/sources.yaml ./config/
# The user that the base image has for this. Nothing is written to the file system: it may be read-only.
USER node
EXPOSE 8005
# Liveness. Whether it can do its work is asked of /health/detailed. PORT may stand in quotes, as in an env-file.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT?.replace(/[^0-9]/g, '') || 8005}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/src/main.js"]
CMD ["serve"]
