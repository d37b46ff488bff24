// Package control lets programs, such as tests, see and change what a simulator does
// while it runs, over HTTP with JSON: the values of its devices, the raw contents of
// their tables, faults, the clock, the power switch; the calls it got, and a stream
// of events. The document at /openapi.json describes it all.
//
// A request does all that it says or nothing. What is wrong with it is answered in
// one sentence, as {"error": "..."}. Names, keys and parameters that nobody knows are
// mistakes.
//
// Without a token it can only listen on the machine itself. With a token each request
// needs it, as a bearer token [RFC 6750, 2.1]. Requests that web pages of other origins
// make are refused, with a token and without.
package control
