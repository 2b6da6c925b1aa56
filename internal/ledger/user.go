package ledger

// UserRef is a person as the ledger knows them. Number is never given to another id.
// Generation grows when the person is deleted or their tokens are revoked: whatever
// was granted to an earlier generation has ended.
type UserRef struct{ Number, Generation int64 }
