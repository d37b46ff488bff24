// Types of modferry-client.

/** Hex text, or the bytes themselves. */
export type Bytes = string | Uint8Array | ArrayBuffer | number[]

/** What is wrong, in one word. Those above the line are told here, those below by the gateway. */
export type Code =
  | 'hex' | 'invalid' | 'length' | 'crc' | 'mismatch'
  | 'offline' | 'timeout' | 'queue_full' | 'subscription' | 'closed' | 'error'
  // ----
  | 'exception' | 'denied' | 'busy' | 'expired' | 'unavailable'
  | 'not_a_frame' | 'bad_crc' | 'bad_length' | 'bad_json' | 'too_large' | 'empty' | 'retained' | 'broadcast' | 'bad_unit'

/** What became of a write: unknown means that it may have reached the device. */
export type Outcome = 'done' | 'refused' | 'unknown'

export interface Exception {
  code: number
  name: string
  /** '' where the gateway itself refused: the message of the error says why. */
  hint: string
}

/** The only error that is thrown or rejected with. The message is a sentence for people. */
export class ModferryError extends Error {
  name: 'ModferryError'
  code: Code
  /** Of code hex: the index of the first wrong character. */
  position?: number
  /** Of a write. */
  outcome?: Outcome
  /** Of a reply that is an exception. */
  exception?: Exception
  unit?: number
  function?: number
  frame?: Uint8Array
}

export function bytes(text: string): Uint8Array
export function hex(data: Bytes, separator?: string): string
/** UTF-8 as a string. */
export function text(data: Bytes): string
/** The CRC as a number; on the wire its low byte comes first. */
export function crc16(data: Bytes): number
/** A whole RTU frame of unit and PDU. */
export function withCRC(data: Bytes): Uint8Array

export function exception(code: number): Exception
export function functionName(code: number): string
/** Whether a function may change the device. */
export function isWrite(code: number): boolean

export interface Fields {
  unit: number
  /** 1 to 127, or a name such as "read_input_registers". */
  function: number | string
  address?: number
  /** Default 1. */
  quantity?: number
  /** Registers, -32768 to 65535, or coils; of function 22 the AND and the OR mask. */
  values?: number | boolean | ReadonlyArray<number | boolean> | Uint16Array | Int16Array
  /** The same as values. */
  value?: number | boolean
  /** Of function 23. */
  write_address?: number
  /** What follows the function code, for functions without fields. */
  data?: Bytes
  /** How long the gateway waits for the device. */
  timeout_ms?: number
  /** When the gateway must not send it any more: RFC 3339, or ms since 1970. */
  expires?: string | number
}

export interface ParsedRequest {
  unit: number
  function: number
  name: string
  write: boolean
  address?: number
  quantity?: number
  values?: number[] | boolean[]
  write_address?: number
}

/** V is boolean for functions 1 and 2. */
export type ParsedReply<V extends number | boolean = number> =
  | { ok: true, unit: number, function: number, frame: Uint8Array, values?: V[] }
  | { ok: false, unit: number, function: number, frame: Uint8Array, exception: Exception }

export interface Field {
  from: number
  /** The index behind the last byte. */
  to: number
  name: string
  value: string
  text: string
}

export interface CheckedRequest {
  /** The whole frame with its CRC; null as long as the text is none. */
  frame: Uint8Array | null
  /** What the text has; '' where that is not known yet. */
  crc: 'good' | 'missing' | 'bad' | ''
  /** One sentence for the person who types. */
  message: string
  /** Where the text stops being hex. */
  position?: number
  explain: Field[]
}

export function request(fields: Fields): Uint8Array
export function parseRequest(frame: Bytes): ParsedRequest
export function parseReply<V extends number | boolean = number>(request: Fields | Bytes, reply: Bytes): ParsedReply<V>
export function checkRequest(typed: Bytes): CheckedRequest
export function explain(data: Bytes, request?: Fields | Bytes): Field[]

export type NumberType = 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'float32' | 'float64'
export type Order = 'big' | 'little' | 'big-swap' | 'little-swap'

export interface Layout {
  /** Default uint16. */
  type?: NumberType
  /** Default big. */
  order?: Order
  /** Index of the first register. */
  at?: number
  scale?: number
  decimals?: number
}

export function decode(registers: ArrayLike<number>, layout?: NumberType | Layout): number
export function encode(value: number, layout?: NumberType | Layout): number[]

/** What is needed of an MQTT client. */
export interface Adapter {
  connected(): boolean
  /** Throws if nothing was sent. */
  publish(topic: string, payload: string | Uint8Array, qos: 0 | 1 | 2): void | Promise<unknown>
  /** A promise is settled when the broker has granted or refused it. */
  subscribe(topic: string, qos: 0 | 1 | 2): void | Promise<unknown>
  unsubscribe?(topic: string): void | Promise<unknown>
  onMessage(f: (topic: string, payload: string | Uint8Array | ArrayBuffer, retained?: boolean) => void): void
  /** f takes true after each connect and false after each loss. */
  onConnection(f: (connected: boolean) => void): void
  close?(): void
}

/** A client of MQTT.js, 4.1.0 or 5. */
export interface MQTTjsClient {
  connected: boolean
  on(event: any, listener: any): any
  removeListener(event: any, listener: any): any
  publish(topic: string, payload: any, options: any, callback?: any): any
  subscribe(topic: any, options: any, callback?: any): any
  unsubscribe(topic: any, callback?: any): any
}

/** A client of paho-mqtt 1.1.0. */
export interface PahoClient {
  isConnected(): boolean
  send(topic: any, payload?: any, qos?: any, retained?: any): void
  subscribe(filter: string, options?: any): void
  unsubscribe(filter: string, options?: any): void
  onMessageArrived: any
  onConnectionLost: any
}

export function mqttjs(client: MQTTjsClient): Adapter
export function paho(client: PahoClient): Adapter

export interface Options {
  /** Its name; or give prefix. */
  gateway?: string
  /** The beginning of its topics, default modferry/<gateway>. */
  prefix?: string
  /** The name of this app: 1 to 64 letters, digits, _ and -. Each installation has its own, and keeps it. */
  client?: string
  /** In ms: when a request is settled at the latest. Default 10000. */
  timeout?: number
  /** How often a read without an answer is asked again. Default 1. */
  retries?: number
  /** Default 1. */
  qos?: 0 | 1 | 2
  /** How many requests may wait for each bus. Default 64. */
  queue?: number
  /** How many requests in JSON are under way for each bus. Default 8. */
  inFlight?: number
}

export interface BusOptions extends Options {
  /** Default json. */
  form?: 'json' | 'hex' | 'binary'
  /** Fixed topics of the bus. */
  request?: string
  response?: string
  /** In ms, of frames: how long a reply that did not come may still come. Default 10000. */
  settle?: number
}

export interface RequestOptions {
  timeout?: number
  retries?: number
}

/** V is boolean for functions 1 and 2. */
export interface Reply<V extends number | boolean = number> {
  ok: true
  unit: number
  function: number
  /** What was read; undefined for a write. */
  values?: V[]
  frame?: Uint8Array
  outcome?: Outcome
  /** Of JSON: from sending to the device's reply, in ms. */
  elapsed?: number
}

export interface SetResult {
  ok: true
  value: unknown
  outcome: Outcome
}

export interface Reading<T = any> {
  /** null if there never was one. */
  value: T
  unit?: string
  quality: 'good' | 'stale' | 'bad'
  /** When the device gave the value; null if that is not known. */
  time: Date | null
  /** In ms, at the moment of the call; null if that is not known. */
  age: number | null
  /** What is not there, '' if all is. */
  offline: '' | 'connection' | 'gateway' | 'device'
  /** Of the forms hex and binary. */
  frame?: Uint8Array
}

export interface ReadingOptions extends Layout {
  /** How the device publishes. Default json, which also takes bare values. */
  form?: 'json' | 'value' | 'hex' | 'binary'
  /** Of measurement, for the forms hex and binary. */
  unit?: string
}

export interface Observable<T> {
  /** f gets the latest value, if there is one, and each that follows; failed, that the broker refuses the subscription. Returns a function that ends it. */
  subscribe(f: (value: T) => void, failed?: (error: ModferryError) => void): () => void
}

export interface Status {
  connected: boolean
  gateway: 'online' | 'offline' | 'unknown'
}

export interface Message {
  topic: string
  payload: string | Uint8Array
  text: string
  retained: boolean
}

export interface Bus {
  readonly topics: { request: string, response: string, error: string, status: string }
  request<V extends number | boolean = number>(what: Fields | Bytes, options?: RequestOptions): Promise<Reply<V>>
  status(): Observable<any>
}

export interface Gateway {
  bus(name: string, options?: BusOptions): Bus
  reading<T = any>(device: string, reading: string, options?: ReadingOptions): Observable<Reading<T>>
  set(device: string, reading: string, value: unknown, options?: RequestOptions): Promise<SetResult>
  status(): Observable<Status>
  /** Messages on topics below the prefix; the wildcards + and # may be used. */
  watch(topic: string, f: (message: Message) => void, failed?: (error: ModferryError) => void): () => void
  /** Settles what is under way; the MQTT client stays connected. */
  close(): void
}

export function connect(client: MQTTjsClient | PahoClient | Adapter, options: Options): Gateway
