"""Albumentations' transforms that have no equivalent here, and what to do instead."""

from __future__ import annotations

_TENSORS = "copies are files of pictures; this belongs to the loader that reads them"
_BOXES = "it follows boxes or masks, which a warp here takes along but never looks at; crop and random_resized_crop cut at random"
_VOLUMES = "volumes and videos are not read here"
_OTHERS = "it needs further pictures; here a copy is made of one source alone"

LOST: dict[str, str] = {
    **dict.fromkeys(("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D"), _TENSORS),
    **dict.fromkeys(("RandomCropNearBBox", "BBoxSafeRandomCrop", "AtLeastOneBBoxRandomCrop"), _BOXES),
    **dict.fromkeys(
        ("MaskDropout", "ConstrainedCoarseDropout"), "it follows boxes or masks, which are not looked at; cutout cuts anywhere"
    ),
    **dict.fromkeys(
        ("TimeReverse", "TimeMasking", "FrequencyMasking"), "it is for spectrograms, in which a picture's changes make no sense"
    ),
    **dict.fromkeys(("Pad3D", "PadIfNeeded3D", "CenterCrop3D", "RandomCrop3D", "CoarseDropout3D", "CubicSymmetry"), _VOLUMES),
    **dict.fromkeys(("HistogramMatching", "FDA", "PixelDistributionAdaptation", "TemplateTransform"), _OTHERS),
    **dict.fromkeys(("Mosaic", "OverlayElements", "MixUp"), _OTHERS),
    "Lambda": "its function is not in the file; see augx transforms for what there is",
    "ToRGB": "pictures keep their channels; turn grey sources into colour before",
    "TextImage": "no text is drawn here",
    "ChannelDropout": "no channel is emptied here; tone: {channel_gain: 0.5} weakens them",
    "XYMasking": "no stripes are cut here; then: [{erase: ...}] cuts a rectangle",
    "OpticalDistortion": "no lens is bent here; warp: {grid_distortion: 0.2} bends too",
    "ThinPlateSpline": "its spline has no like; warp: {elastic: 0.03} bends as smoothly",
    "RandomGridShuffle": "tiles never change places here",
    "Morphological": "nothing grows or shrinks here; then: [{median: 3}] is the nearest",
    "GlassBlur": "pixels never change places here; then: [{blur: 1}] is the nearest",
    "ZoomBlur": "no blur grows from the centre here; then: [{motion_blur: 9}] is the nearest",
    "FancyPCA": "colours are not analysed here; tone: {channel_shift: {range: 10, channels: independent}} tints as slightly",
    "Emboss": "no relief is made here; then: [{sharpen: 1}] is the nearest",
    "Superpixels": "no superpixels are made here; then: [{downscale: 0.4}] coarsens too",
    "RingingOvershoot": "no ringing is made here; then: [{jpeg: 20}] leaves some at edges",
    "RandomGravel": "no gravel is thrown here; then: [{cutout: 0.1}] hides places too",
    "Spatter": "no drops or mud lie on the lens here; then: [{rain: 0.6}] is the nearest",
    "ChromaticAberration": "channels are not moved apart here",
    "PlasmaBrightnessContrast": "no plasma is made here; tone: {brightness: 0.3, contrast: 0.3} changes the whole picture",
    "Illumination": "no light falls from one side here; then: [{vignette: 0.3}] or [{shadow: 0.3}] are the nearest",
    "HEStain": "stains are not separated here; then: [{hsv: ...}] changes colours",
}
