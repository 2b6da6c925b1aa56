// Package sms knows how a text becomes a text message (SMS): in which alphabet it is written, into how many segments it
// is split, and how it is shortened to a number of segments. Phone networks charge for each segment.
//
// The rules are those of 3GPP TS 23.038 (alphabets) and TS 23.040 (segments).
package sms
