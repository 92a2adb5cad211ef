# The image runs `beat start` on what `npm run build` makes, without sources and development packages. A test follows these steps.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production BEAT_SCHEDULE_DB=/data/beat.sqlite
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist
COPY --from=build /app/migrations ./migrations
COPY --from=build /app/scripts/container-init.sh ./scripts/container-init.sh
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "bin/beat.js", "status", "--alive"]
ENTRYPOINT ["/bin/sh", "scripts/container-init.sh", "node", "bin/beat.js", "start"]
