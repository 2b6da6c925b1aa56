package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"schoolbell"
)

const (
	recordSize = 4096 // of the single record; push services must take bodies of this size
	saltSize   = 16
	pointSize  = 65
	headerSize = saltSize + 4 + 1 + pointSize
	tagSize    = 16

	// maxPlain is the largest text that fits into the record, in bytes. One byte ends the text.
	maxPlain = recordSize - headerSize - tagSize - 1
)

// encrypt returns the body of a request: text, encrypted for the browser of a subscription with a new key pair and salt.
func encrypt(text []byte, to schoolbell.PushSubscription) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key pair: %w", err)
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("make a salt: %w", err)
	}
	return encryptWith(text, to, own, salt)
}

// encryptWith encrypts as RFC 8291 says: the content encoding aes128gcm of RFC 8188 with a single record.
func encryptWith(text []byte, to schoolbell.PushSubscription, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	if len(text) > maxPlain {
		return nil, fmt.Errorf("the text has %d bytes, over %d", len(text), maxPlain)
	}
	browser, err := to.PublicKey()
	if err != nil {
		return nil, err
	}
	secret, err := to.Secret()
	if err != nil {
		return nil, err
	}
	key, nonce, err := deriveKey(own, browser, secret, salt)
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	body := make([]byte, 0, headerSize+len(text)+1+tagSize)
	body = append(body, salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(body, pointSize)
	body = append(body, own.PublicKey().Bytes()...)
	const last = 0x02 // ends the text of the last record; no padding follows
	padded := append(append(make([]byte, 0, len(text)+1), text...), last)
	return gcm.Seal(body, nonce, padded, nil), nil
}

// deriveKey returns the key and the nonce of the record (RFC 8291, 3.4).
func deriveKey(own *ecdh.PrivateKey, browser *ecdh.PublicKey, secret, salt []byte) (key, nonce []byte, err error) {
	shared, err := own.ECDH(browser)
	if err != nil {
		return nil, nil, err
	}
	info := "WebPush: info\x00" + string(browser.Bytes()) + string(own.PublicKey().Bytes())
	input, err := hkdf.Key(sha256.New, shared, secret, info, sha256.Size)
	if err != nil {
		return nil, nil, err
	}
	extracted, err := hkdf.Extract(sha256.New, input, salt)
	if err != nil {
		return nil, nil, err
	}
	if key, err = hkdf.Expand(sha256.New, extracted, "Content-Encoding: aes128gcm\x00", 16); err != nil {
		return nil, nil, err
	}
	nonce, err = hkdf.Expand(sha256.New, extracted, "Content-Encoding: nonce\x00", 12)
	return key, nonce, err
}
