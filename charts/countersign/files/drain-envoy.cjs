// Every answer now says `Connection: close` (HTTP/1) or GOAWAY (HTTP/2); the listeners stay open.
require('node:http')
  .request({ socketPath: '/run/countersign/envoy.sock', method: 'POST', path: '/healthcheck/fail' }, (r) => r.resume())
  .on('error', (error) => console.error(`Envoy is not told: ${error.message}`))
  .end();
