// modferry-client: Modbus over MQTT from JavaScript. It needs nothing but the language as of
// 2017 and setTimeout, so it runs in browsers, Node.js, WeChat mini-programs, uni-app and
// Taro. References in brackets are to the Modbus application protocol V1.1b3.

export { ModferryError } from './error.mjs'
export { bytes, hex, text } from './hex.mjs'
export { crc16, withCRC } from './crc.mjs'
export { exception, functionName, isWrite } from './function.mjs'
export { request } from './request.mjs'
export { parseRequest } from './frame.mjs'
export { parseReply } from './reply.mjs'
export { explain } from './explain.mjs'
export { checkRequest } from './check.mjs'
export { decode, encode } from './value.mjs'
export { mqttjs, paho } from './mqtt.mjs'
export { connect } from './gateway.mjs'
