package cli

var ParseExpiry = parseExpiry
