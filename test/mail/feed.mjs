// Reads a calendar feed from standard input and writes what is in it as JSON.
import { buffer } from 'node:stream/consumers'

import { read } from './calendar.mjs'

console.log(JSON.stringify(read(await buffer(process.stdin))))
