# Build: the same npm scripts that a test runs in an empty folder.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && mv node_modules /node_modules.production && npm ci
COPY . .
RUN npm run build

FROM node:24-slim
ENV NODE_ENV=production BEAT_SCHEDULE_DB=/data/beat.sqlite
WORKDIR /app
COPY --from=build /node_modules.production ./node_modules
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist
COPY --from=build /app/migrations ./migrations
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "bin/beat.js", "status", "--check"]
ENTRYPOINT ["node", "bin/beat.js", "start"]
