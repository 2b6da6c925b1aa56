// Reads an email from standard input, checks its DKIM signatures with mailauth and parses it with postal-mime. The arguments
// are the name and the value of the only TXT record in DNS. Writes what was found as JSON.
import { buffer } from 'node:stream/consumers'

import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import PostalMime from 'postal-mime'

import { read } from './calendar.mjs'

const [recordName, record] = process.argv.slice(2)
const email = await buffer(process.stdin)

const resolver = async (name, type) => {
  if (name === recordName && type === 'TXT') return [[record]]
  throw Object.assign(new Error(`no record ${type} ${name}`), { code: 'ENOTFOUND' })
}

const { results } = await dkimVerify(email, { resolver })
const parsed = await PostalMime.parse(email, { rfc822Attachments: false, maxNestingDepth: 10 })

// The calendar in an attachment, as another library reads it.
const calendars = parsed.attachments
  .filter(a => a.mimeType === 'text/calendar')
  .map(a => ({ file: a.filename, disposition: a.disposition, method: a.method, ...read(a.content) }))

console.log(
  JSON.stringify({
    signatures: results.map(r => ({ result: r.status.result, aligned: r.status.aligned, domain: r.signingDomain, algorithm: r.algo, comment: r.status.comment })),
    email: { from: parsed.from, to: parsed.to, subject: parsed.subject, text: parsed.text, html: parsed.html, messageId: parsed.messageId },
    calendars,
  }),
)
