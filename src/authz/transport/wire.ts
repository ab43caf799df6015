/**
 * Protobuf wire format, as much as a Check needs. Generated code takes 13 µs to read a Check and 20 µs to
 * write an answer, most of a check's own work; these take about two each. Tests hold both to the same bytes.
 */

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

/** A varint of more bytes than this is longer than 64 bits. */
const MAX_VARINT_BYTES = 10;

/** Reads fields in order. @throws RangeError when the message is cut or malformed: such a Check is refused. */
export class FieldReader {
  readonly #bytes: Buffer;
  #position: number;
  readonly #end: number;
  /** Of the field that `next` stands on. */
  field = 0;
  wireType = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Steps to the next field; its value must then be read or skipped. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0) throw new RangeError('field number 0');
    return true;
  }

  /** Values above 2^53 lose precision; none that we read is that large. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.#position >= this.#end) throw new RangeError('message is cut');
      const byte = this.#bytes[this.#position++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new RangeError('varint is too long');
  }

  #take(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) throw new RangeError('message is cut');
    this.#position = start + length;
    return start;
  }

  #range(): readonly [start: number, end: number] {
    if (this.wireType !== WIRE_BYTES) throw new RangeError('field has another wire type');
    const start = this.#take(this.varint());
    return [start, this.#position];
  }

  /** One character per byte. */
  latin1(): string {
    const [start, end] = this.#range();
    return this.#bytes.toString('latin1', start, end);
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const [start, end] = this.#range();
    return this.#bytes.subarray(start, end);
  }

  message(): FieldReader {
    const [start, end] = this.#range();
    return new FieldReader(this.#bytes, start, end);
  }

  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.varint();
        break;
      case WIRE_FIXED64:
        this.#take(8);
        break;
      case WIRE_BYTES:
        this.#take(this.varint());
        break;
      case WIRE_FIXED32:
        this.#take(4);
        break;
      default:
        throw new RangeError(`wire type ${this.wireType}`);
    }
  }
}

const INITIAL_BYTES = 2048;

/**
 * Writes a message from its end to its start, so that the length of a nested message is known when its head
 * is written. Fields are therefore written last first, repeated ones too.
 */
export class FieldWriter {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #position = INITIAL_BYTES;

  #reserve(length: number): number {
    if (length > this.#position) {
      const used = this.#buffer.length - this.#position;
      const grown = Buffer.allocUnsafe(2 * (this.#buffer.length + length));
      this.#buffer.copy(grown, grown.length - used, this.#position);
      this.#position = grown.length - used;
      this.#buffer = grown;
    }
    return (this.#position -= length);
  }

  #varint(value: number): void {
    let length = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
    let position = this.#reserve(length);
    let rest = value;
    for (; length > 1; length--) {
      this.#buffer[position++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[position] = rest;
  }

  varint(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field * 8 + WIRE_VARINT);
  }

  /** UTF-8; an unpaired surrogate becomes U+FFFD, since Envoy rejects a message with malformed text. */
  text(field: number, text: string): void {
    const length = Buffer.byteLength(text);
    const position = this.#reserve(length); // first: it may replace the buffer
    this.#buffer.write(text, position, length);
    this.#varint(length);
    this.#varint(field * 8 + WIRE_BYTES);
  }

  /** A nested message; `fields` writes its fields, last first. */
  message(field: number, fields: () => void): void {
    const written = this.#buffer.length - this.#position;
    fields();
    this.#varint(this.#buffer.length - this.#position - written);
    this.#varint(field * 8 + WIRE_BYTES);
  }

  finish(): Buffer {
    return this.#buffer.subarray(this.#position);
  }
}
