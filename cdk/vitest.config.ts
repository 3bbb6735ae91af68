import { defineConfig } from 'vitest/config';

// One worker: loading the CDK is most of the work, and each worker would do it anew.
export default defineConfig({ test: { include: ['test/**/*.test.ts'], pool: 'threads', maxWorkers: 1, isolate: false, testTimeout: 300_000 } });
