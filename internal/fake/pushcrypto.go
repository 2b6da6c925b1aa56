package fake

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// checkSender checks the header Authorization of a message (RFC 8292) and returns the subject of the sender. It shares no code
// with the channel.
func (p *Push) checkSender(header string, now time.Time) (subject string, err error) {
	token, key, ok := parseVAPID(header)
	if !ok {
		return "", refusePush(http.StatusUnauthorized, "MissingAuthorization")
	}
	if p.opts.PublicKey != "" && key != p.opts.PublicKey {
		return "", refusePush(http.StatusForbidden, "VapidPkHashMismatch")
	}
	claims, ok := verifyToken(token, key)
	expires := time.Unix(claims.Expires, 0)
	switch {
	case !ok, claims.Audience != p.URL():
		return "", refusePush(http.StatusForbidden, "BadJwtToken")
	case !expires.After(now), expires.After(now.Add(24 * time.Hour)):
		return "", refusePush(http.StatusForbidden, "ExpiredJwtToken")
	case !isContact(claims.Subject):
		return "", refusePush(http.StatusForbidden, "BadJwtToken")
	}
	return claims.Subject, nil
}

// parseVAPID returns the token and the key of "vapid t=…, k=…".
func parseVAPID(header string) (token, key string, ok bool) {
	params, ok := strings.CutPrefix(header, "vapid ")
	for param := range strings.SplitSeq(params, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		switch name {
		case "t":
			token = value
		case "k":
			key = value
		}
	}
	return token, key, ok && token != "" && key != ""
}

type tokenClaims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub"`
}

// verifyToken returns the claims of a token, and whether the key signed it.
func verifyToken(token, key string) (claims tokenClaims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims, false
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return claims, false
		}
		decoded[i] = b
	}
	var head struct{ Typ, Alg string }
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil || json.Unmarshal(decoded[0], &head) != nil || head.Typ != "JWT" || head.Alg != "ES256" || len(decoded[2]) != 64 {
		return claims, false
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil || json.Unmarshal(decoded[1], &claims) != nil {
		return claims, false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:])
	return claims, ecdsa.Verify(public, digest[:], r, s)
}

// isContact reports whether Apple takes a subject.
func isContact(subject string) bool {
	u, err := url.Parse(subject)
	if err != nil || u.Scheme != "mailto" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	if u.Scheme == "mailto" {
		_, host, _ = strings.Cut(u.Opaque, "@")
	}
	return host != "" && host != "localhost" && !strings.HasSuffix(host, ".local") && !strings.HasSuffix(host, ".localhost") && !strings.HasSuffix(host, ".invalid")
}

// decrypt opens a body in the content encoding aes128gcm with one record (RFC 8188), encrypted for the browser (RFC 8291).
func (b *browser) decrypt(body []byte) ([]byte, error) {
	errBad := errors.New("the body cannot be decrypted")
	const head = 16 + 4 + 1
	if len(body) < head || len(body) < head+int(body[head-1]) {
		return nil, errBad
	}
	salt, size, point := body[:16], binary.BigEndian.Uint32(body[16:20]), body[head:head+int(body[head-1])]
	record := body[head+len(point):]
	sender, err := ecdh.P256().NewPublicKey(point)
	if err != nil || size < 18 || len(record) > int(size) {
		return nil, errBad
	}
	shared, err := b.private.ECDH(sender)
	if err != nil {
		return nil, errBad
	}
	info := bytes.Join([][]byte{[]byte("WebPush: info\x00"), b.private.PublicKey().Bytes(), point}, nil)
	input, err := hkdf.Key(sha256.New, shared, b.secret, string(info), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, input, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, input, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	padded, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, errBad
	}
	end := bytes.LastIndexByte(padded, 0x02)
	if end < 0 || len(bytes.Trim(padded[end+1:], "\x00")) > 0 {
		return nil, errBad
	}
	return padded[:end], nil
}
