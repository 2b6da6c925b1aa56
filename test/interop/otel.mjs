// What BullMQ's own adapter for OpenTelemetry makes of a test, kept in memory.
import { SpanKind, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { BullMQOtel } from 'bullmq-otel';

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();

export const telemetry = new BullMQOtel({});

// within runs work in a span of its own.
export function within(name, work) {
  return trace.getTracer('test').startActiveSpan(name, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });
}

// spans are those that have ended, as the Go test sees its own.
export const spans = () => exporter.getFinishedSpans().map((span) => ({
  Name: span.name,
  Kind: SpanKind[span.kind].toLowerCase(),
  Trace: span.spanContext().traceId,
  ID: span.spanContext().spanId,
  Parent: span.parentSpanContext?.spanId ?? '',
  Status: span.status.code,
  Attributes: span.attributes,
  Events: Object.fromEntries(span.events.map((event) => [event.name, event.attributes ?? {}])),
}));
