// Answers GET / with its name and, when NEXT is set, with what the next service answered.
const http = require('http');

http.createServer((request, response) => {
  if (!process.env.NEXT) return response.end('nodejs\n');
  http.get(process.env.NEXT, (next) => {
    let body = '';
    next.on('data', (part) => { body += part; });
    next.on('end', () => response.end('nodejs > ' + body));
  }).on('error', (error) => { response.statusCode = 502; response.end(`nodejs: ${error.message}\n`); });
}).listen(8080, () => console.log(`listening; NODE_OPTIONS=${process.env.NODE_OPTIONS || ''}`));
