"""The classes and functions that a configuration may name, one by one.

Nothing is listed by its module or by how its name begins, so that what a later Keras
brings is not taken before somebody has looked at it. Tests hold the lists to the
installed Keras. What is left out may run code: it calls a function that it is given
(`Lambda`, `Map`, `JVP`), or loads a program (`TFSMLayer`, `TorchModuleWrapper`); or it
makes as many tensors as an axis is long (`Unstack`).
"""

__all__ = ["ACTIVATIONS", "BUILT", "COMPILED", "MEASURES", "STEPS", "VALUES"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _names("""
Activation ActivityRegularization AdaptiveAveragePooling1D
AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout
Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop
Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose
Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D
Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D
Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU
GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention
GroupedQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup
LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes
MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp
MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization
RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN
SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D
SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract
TextVectorization TimeDistributed UnitNormalization UpSampling1D UpSampling2D
UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
""")

OPERATIONS = {
    "keras.src.ops.core": _names("""
    Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate
    StopGradient
    """),
    "keras.src.ops.einops": _names("Rearrange"),
    "keras.src.ops.image": _names("""
    AffineTransform CropImages ElasticTransform ExtractPatches GaussianBlur
    HSVToRGB MapCoordinates PadImages PerspectiveTransform RGBToGrayscale RGBToHSV
    Resize SSIM ScaleAndTranslate SobelEdges
    """),
    "keras.src.ops.linalg": _names("""
    Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank Norm Pinv Qr
    SVD Solve SolveTriangular
    """),
    "keras.src.ops.math": _names("""
    CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT InTopK Logdet
    Logsumexp RFFT Rsqrt STFT SegmentMax SegmentMin SegmentProd SegmentSum TopK
    ViewAsComplex ViewAsReal
    """),
    "keras.src.ops.nn": _names("""
    AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm BinaryCrossentropy
    CTCDecode CTCLoss CategoricalCrossentropy Celu Conv ConvTranspose DepthToSpace
    DepthwiseConv DotProductAttention Elu Fold Gelu Glu HardShrink HardSigmoid
    HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax MaxPool Moments
    MultiHot Normalize OneHot PSNR Polar RMSNorm Relu Relu6 Selu SeparableConv
    Sigmoid Silu SoftShrink Softmax Softplus Softsign SpaceToDepth SparsePlus
    SparseCategoricalCrossentropy SparseSigmoid Sparsemax Squareplus TanhShrink
    Threshold Unfold
    """),
    "keras.src.ops.numpy": _names("""
    Abs Absolute Add All AllClose Amax Amin Angle Any Append Arange Arccos Arccosh
    Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argpartition Argsort Array
    ArraySplit Average Bincount BitwiseAnd BitwiseInvert BitwiseLeftShift BitwiseNot
    BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo Cbrt Ceil Clip Concatenate
    Conj Conjugate Copy Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod
    Cumsum Deg2rad Diag Diagflat Diagonal Diff Digitize Divide DivideNoNan Dot
    Dsplit Dstack Einsum EmptyLike Equal Exp Exp2 ExpandDims Expm1 Fabs Flip Fliplr
    Flipud Floor FloorDivide Fmax Fmin Fmod Full FullLike Gcd Geomspace GetItem
    Greater GreaterEqual Heaviside Histogram Hsplit Hstack Hypot I0 Imag Inner IsIn
    Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal Kron Lcm Ldexp LeftShift
    Less LessEqual Linspace Log Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd
    LogicalNot LogicalOr LogicalXor Logspace Matmul Max Maximum Mean Median Meshgrid
    Min Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin Nancumprod
    Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile
    Nanstd Nansum Nanvar Ndim Negative Nextafter Nonzero NotEqual OnesLike Outer Pad
    Percentile Power Prod Ptp Quantile Rad2deg Ravel Real Reciprocal Repeat Reshape
    RightShift Roll Rot90 Round SearchSorted Select Sign Signbit Sin Sinc Sinh Size
    Slogdet Sort Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take
    TakeAlongAxis Tan Tanh Tensordot Tile Trace Transpose Trapezoid Tril Triu
    TrueDivide Trunc Unique UnravelIndex Vander Var Vdot View Vsplit Vstack Where
    ZerosLike
    """),
}

OURS = {
    "kerasconv.augmentation": _names(
        "RandomGain RandomInversion RandomNoise RandomWarp"
    ),
    "kerasconv.layers": _names(
        "FixedConv L2Pool LearnedConv LpPool PrewittConv SobelConv WeightedPool"
    ),
    # As files name them that were written by older versions.
    "kerasconv.layers._fixed": _names("FixedConv PrewittConv SobelConv"),
    "kerasconv.layers._learned": _names("LearnedConv"),
    "kerasconv.layers._pool": _names("L2Pool LpPool WeightedPool"),
    "kerasconv.ops": _names("WindowOperation"),
}

STEPS = {
    "keras": _names("Sequential"),
    "keras.layers": LAYERS,
    "keras.src.applications.convnext": _names("LayerScale"),
    "keras.src.models.functional": _names("Functional"),
    **OPERATIONS,
    **OURS,
}
"""What a model is made of: models, layers, and operations."""

_POLICIES = {
    "keras": _names("DTypePolicy FloatDTypePolicy"),
    "keras.dtype_policies": _names("""
    DTypePolicy DTypePolicyMap FloatDTypePolicy Int4DTypePolicy QuantizedDTypePolicy
    QuantizedFloat8DTypePolicy
    """),
}

_PARTS = {
    "keras.constraints": _names("MaxNorm MinMaxNorm NonNeg UnitNorm"),
    "keras.dtype_policies": _POLICIES["keras.dtype_policies"],
    "keras.initializers": _names("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity
    IdentityInitializer LecunNormal LecunUniform Ones Orthogonal
    OrthogonalInitializer RandomNormal RandomUniform STFT STFTInitializer
    TruncatedNormal VarianceScaling Zeros
    """),
    "keras.quantizers": _names("""
    AbsMaxQuantizer Float8QuantizationConfig Int4QuantizationConfig
    Int8QuantizationConfig
    """),
    "keras.random": _names("SeedGenerator"),
    "keras.regularizers": _names("L1 L1L2 L2 OrthogonalRegularizer"),
}

BUILT = {**STEPS, **_PARTS, "keras": STEPS["keras"] | _POLICIES["keras"]}
"""By their modules, what Keras builds from a configuration."""

COMPILED = {
    **_POLICIES,
    "keras.losses": _names("""
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy
    CategoricalHinge Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh
    MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
    MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge
    Tversky
    """),
    "keras.metrics": _names("""
    AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
    CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation
    CosineSimilarity F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU
    KLDivergence LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError
    MeanIoU MeanMetricWrapper MeanSquaredError MeanSquaredLogarithmicError
    OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision PrecisionAtRecall
    R2Score Recall RecallAtPrecision RootMeanSquaredError SensitivityAtSpecificity
    SparseCategoricalAccuracy SparseCategoricalCrossentropy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives
    """),
    "keras.optimizers": _names("""
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer
    MultiOptimizer Muon Nadam RMSprop SGD ScheduleFreeAdamW
    """),
    "keras.optimizers.schedules": _names("""
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay
    PiecewiseConstantDecay PolynomialDecay
    """),
    "keras.src.backend.torch.optimizers.torch_adadelta": _names("Adadelta"),
    "keras.src.backend.torch.optimizers.torch_adagrad": _names("Adagrad"),
    "keras.src.backend.torch.optimizers.torch_adam": _names("Adam"),
    "keras.src.backend.torch.optimizers.torch_adamax": _names("Adamax"),
    "keras.src.backend.torch.optimizers.torch_adamw": _names("AdamW"),
    "keras.src.backend.torch.optimizers.torch_lion": _names("Lion"),
    "keras.src.backend.torch.optimizers.torch_nadam": _names("Nadam"),
    "keras.src.backend.torch.optimizers.torch_rmsprop": _names("RMSprop"),
    "keras.src.backend.torch.optimizers.torch_sgd": _names("SGD"),
    "kerasconv.training.fitting": _names("OneCycle"),
}
"""What a model may have been compiled with: read over, left out and never built."""

ACTIVATIONS = _names("""
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink
softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
tanh_shrink threshold
""")
"""The functions that a layer may name."""

MEASURES = _names("""
binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy
categorical_crossentropy categorical_focal_crossentropy
categorical_generalized_cross_entropy categorical_hinge circle concordance_correlation
cosine_similarity ctc dice hinge huber kl_divergence log_cosh mean_absolute_error
mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error
pearson_correlation poisson sparse_categorical_accuracy
sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge
top_k_categorical_accuracy tversky
""")
"""The functions, losses and metrics, that a model may have been compiled with."""

VALUES = _names("""
__bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__
""")
"""Plain values that JSON has no form for."""
