//! Why the transport refused a request: the status and the sentence the client reads.

use thiserror::Error;

/// A request that never reaches a handler. Its text is the body of the response.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Rejection {
    #[error("A line of the request head ends in LF without CR; lines end in CR LF.")]
    BareLineFeed,
    #[error("The request line is malformed: {0}.")]
    RequestLine(&'static str),
    #[error("This HTTP version is not supported; use HTTP/1.1 or HTTP/1.0.")]
    Version,
    #[error("The request head is longer than the limit of {limit} bytes.")]
    HeadTooLarge { limit: usize },
    #[error("The request has more than {limit} header fields.")]
    TooManyHeaders { limit: usize },
    #[error("A header field is malformed.")]
    HeaderField,
    #[error("Content-Length is not a decimal number, or is given twice with different values.")]
    ContentLength,
    #[error("The request has both Content-Length and Transfer-Encoding.")]
    ConflictingLengths,
    #[error("Transfer-Encoding is not defined for HTTP/1.0.")]
    CodingInOldVersion,
    #[error("The only supported Transfer-Encoding is chunked.")]
    TransferCoding,
    #[error("The request body is longer than the limit of {limit} bytes.")]
    BodyTooLarge { limit: usize },
    #[error("The chunked body is malformed: {0}.")]
    Chunk(&'static str),
    #[error("The connection ended before the request head did.")]
    HeadCutShort,
    #[error("The connection ended after {received} bytes of the request body.")]
    BodyCutShort { received: usize },
    #[error("The request head did not arrive in time.")]
    HeadTimeout,
    #[error("The request body stopped arriving.")]
    BodyTimeout,
}

impl Rejection {
    /// The status code to answer with.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge { .. } => 413,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::TransferCoding => 501,
            Self::Version => 505,
            Self::BareLineFeed
            | Self::RequestLine(_)
            | Self::HeaderField
            | Self::ContentLength
            | Self::ConflictingLengths
            | Self::CodingInOldVersion
            | Self::Chunk(_)
            | Self::HeadCutShort
            | Self::BodyCutShort { .. } => 400,
        }
    }
}
