import ICAL from 'ical.js'

// Reads an iCalendar object from its bytes, as another library does.
export function read(bytes) {
  const object = new ICAL.Component(ICAL.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  return {
    name: object.getFirstPropertyValue('name'),
    refresh: object.getFirstPropertyValue('refresh-interval')?.toString(),
    objectMethod: object.getFirstPropertyValue('method'),
    events: object.getAllSubcomponents('vevent').map(c => {
      const e = new ICAL.Event(c)
      return {
        uid: e.uid,
        sequence: e.sequence,
        summary: e.summary,
        text: e.description,
        location: e.location,
        start: e.startDate.toJSDate().toISOString(),
        end: e.endDate.toJSDate().toISOString(),
        status: c.getFirstPropertyValue('status'),
        properties: c.getAllProperties().map(p => p.name),
      }
    }),
  }
}
