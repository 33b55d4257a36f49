"""TensorFlow's operations by how numbers go through them."""


def _kinds(names: str) -> frozenset[str]:
    return frozenset(names.split())


ELEMENTWISE = _kinds(
    """
    Abs Acos AcosGrad Acosh AcoshGrad Add AddN AddV2 Asin AsinGrad Asinh Atan Atan2 Atanh BiasAdd Cast Ceil
    CheckNumerics ClipByValue Cos Cosh Digamma Div DivNoNan Elu EluGrad Erf Erfc Erfinv Exp Expm1 Floor FloorDiv
    FloorMod Identity IdentityN Igamma Igammac Inv InvGrad LeakyRelu LeakyReluGrad Lgamma Log Log1p Maximum Minimum
    Mod Mul MulNoNan Ndtri Neg OnesLike Polygamma Pow PreventGradient RealDiv Reciprocal ReciprocalGrad Relu Relu6
    Relu6Grad ReluGrad Rint Round Rsqrt RsqrtGrad Selu SeluGrad Sigmoid SigmoidGrad Sign Sin Sinh Softplus
    SoftplusGrad Softsign SoftsignGrad Sqrt SqrtGrad Square SquaredDifference StopGradient Sub Tan Tanh TanhGrad
    TruncateDiv TruncateMod Xdivy Xlog1py Xlogy ZerosLike Zeta ReadVariableOp AssignVariableOp AssignAddVariableOp
    AssignSubVariableOp
    """
)
"""Each number out of those at the same place, after broadcasting."""

MOVING = _kinds(
    """
    BatchToSpace BatchToSpaceND BroadcastTo ConcatV2 DepthToSpace DiagPart ExpandDims Fill GatherNd GatherV2
    MatrixDiagPartV3 Pack Pad PadV2 ParallelConcat Reshape Reverse ReverseV2 Roll Slice SpaceToBatch SpaceToBatchND
    SpaceToDepth Split SplitV Squeeze StridedSlice Tile Transpose Unpack
    """
)
"""Numbers go to other places and stay what they are."""

REDUCING = _kinds("All Any EuclideanNorm Max Mean Min Prod Sum")
"""Each number out of those along the axes that the second input names."""

ALONG_THE_LAST_AXIS = _kinds("LogSoftmax Softmax SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits")
"""Each number out of its row."""

SAMPLE_BY_SAMPLE = _kinds(
    """
    AvgPool AvgPool3D AvgPoolGrad Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropInput MaxPool MaxPool3D MaxPoolGrad ResizeBilinear ResizeNearestNeighbor TopKV2
    """
)
"""Each number out of those with the same first index, and out of the kernel."""
