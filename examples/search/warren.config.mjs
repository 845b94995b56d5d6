// The search as services: `warren up` here, SEARCH_DIR=~/src says what to search.
import { defineConfig } from 'warren'

const { SEARCH_DIR = '/usr/share/doc' } = process.env

export default defineConfig({
  name: 'search',
  services: {
    shard: { entry: './shard.mjs', instances: 4, limits: { memory: '1G' } },
    front: { entry: './front.mjs', instances: 2, args: ['--port', '8080'], health: { ready: 'listen' } },
    coordinator: { entry: './coordinator.mjs', args: [SEARCH_DIR], restart: { max: 20 } },
  },
})
