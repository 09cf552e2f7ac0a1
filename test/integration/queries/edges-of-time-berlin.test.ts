// The same edges where clocks are changed on other days, and to the other side of UTC.
process.env.METRICS_TEST_ZONE = 'Europe/Berlin';
await import('./edges-of-time.test.js');
