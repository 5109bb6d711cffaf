"""The field's benchmarks: what each is, where to get it, and what its folders are usually called. Imports no torch."""

from __future__ import annotations

from harness.registry.specs import BenchmarkSpec

FOLDERS = {
    "vimeo90k": ("vimeo_triplet", "vimeo_interp_test"),
    "vimeo90k-septuplet": ("vimeo_septuplet", "vimeo_test_clean"),
    "snu-film": ("snu_film",),
    "ucf101": ("ucf101_interp_ours",),
    "middlebury": ("middlebury_other",),
    "xiph-2k": ("xiph", "netflix"),
    "xiph-4k": ("xiph", "netflix"),
    "x4k1000fps": ("x_test", "xvfi"),
    "gopro": ("GOPRO_Large_all",),
    "adobe240": ("adobe240fps",),
}
"""Usual names of a benchmark's folder besides its own; upper case, '-' and '_' make no difference."""

UNSURE = "see the data set's page"
XIPH = """\
BoxingPractice-001.png ... -100.png      or BoxingPractice/001.png ... 100.png, and alike
Crosswalk, DrivingPOV, FoodMarket, FoodMarket2, RitualDance, SquareAndTimelapse, Tango
8-bit RGB of 4096x2160: the first 100 frames of each video, as ffmpeg -pix_fmt rgb24 -frames:v 100 writes them"""


def benchmarks() -> list[BenchmarkSpec]:
    """The specs of all of them."""
    return [
        BenchmarkSpec(
            name="vimeo90k",
            factory="harness.data.sets.vimeo90k:Vimeo90K",
            summary="Vimeo90K triplets: 51,313 to train on, 3,782 to test on, 448x256",
            reference="Xue et al., Video Enhancement with Task-Oriented Flow, IJCV 2019",
            licence="non-commercial use, says its readme",
            source="http://toflow.csail.mit.edu (the triplet data set)",
            layout="""\
tri_trainlist.txt, tri_testlist.txt      either may be absent
sequences/00001/0001/im1.png, im2.png, im3.png
target/ in place of sequences/ is taken where there is no sequences/""",
        ),
        BenchmarkSpec(
            name="vimeo90k-septuplet",
            factory="harness.data.sets.vimeo90k_septuplet:Vimeo90KSeptuplet",
            summary="Vimeo90K septuplets, for networks of four inputs: 64,612 to train on, 7,824 to test on, 448x256",
            reference="Xue et al., Video Enhancement with Task-Oriented Flow, IJCV 2019",
            licence="non-commercial use, says its readme",
            source="http://toflow.csail.mit.edu (the septuplet data set, or its clean test set)",
            layout="""\
sep_trainlist.txt, sep_testlist.txt      either may be absent
sequences/00001/0001/im1.png, im3.png, im4.png, im5.png, im7.png
im4.png is to be made; of two inputs im3.png and im5.png are shown, of four im1.png and im7.png too""",
        ),
        BenchmarkSpec(
            name="snu-film",
            factory="harness.data.sets.snu_film:SNUFilm",
            summary="SNU-FILM: 4 x 310 triplets of up to 1280x720, easy to extreme",
            reference="Choi et al., Channel Attention Is All You Need for Video Frame Interpolation, AAAI 2020",
            licence=UNSURE,
            source="https://myungsub.github.io/CAIN (eval_modes.zip and snufilm-test.zip)",
            layout="""\
test-easy.txt, test-medium.txt, test-hard.txt, test-extreme.txt      or in eval_modes/
GOPRO_test/GOPR0384_11_00/000001.png ...
YouTube_test/0000/00001.png ...
the frames may lie in data/SNU-FILM/test/ or test/ too; a line of a list is: first input, ground truth, second input""",
        ),
        BenchmarkSpec(
            name="ucf101",
            factory="harness.data.sets.ucf101:UCF101",
            summary="UCF101: 379 triplets of 256x256",
            reference="Liu et al., Video Frame Synthesis using Deep Voxel Flow, ICCV 2017",
            licence=UNSURE,
            source="https://liuziwei7.github.io/projects/VoxelFlow",
            layout="<379 folders>/frame_00.png, frame_01_gt.png, frame_02.png",
        ),
        BenchmarkSpec(
            name="middlebury",
            factory="harness.data.sets.middlebury:Middlebury",
            summary="Middlebury OTHER: the 12 sequences with a true middle frame",
            reference="Baker et al., A Database and Evaluation Methodology for Optical Flow, IJCV 2011",
            licence=UNSURE,
            source="https://vision.middlebury.edu/flow/data (OTHER: colour frames, and ground truth for interpolation)",
            layout="""\
other-data/Beanbags/frame10.png, frame11.png
other-gt-interp/Beanbags/frame10i11.png
frame09.png and frame12.png beside the inputs, of the sequences that have more frames, for networks of four
and Dimetrodon, DogDance, Grove2, Grove3, Hydrangea, MiniCooper, RubberWhale, Urban2, Urban3, Venus, Walking""",
        ),
        BenchmarkSpec(
            name="xiph-2k",
            factory="harness.data.sets.xiph:Xiph2K",
            summary="Xiph: 8 x 49 triplets, 4096x2160 halved to 2048x1080",
            reference="Niklaus and Liu, Softmax Splatting for Video Frame Interpolation, CVPR 2020",
            licence=UNSURE,
            source="https://media.xiph.org/video/derf (Netflix clips, 4096x2160 at 60 fps)",
            layout=XIPH,
        ),
        BenchmarkSpec(
            name="xiph-4k",
            factory="harness.data.sets.xiph:Xiph4K",
            summary="Xiph: 8 x 49 triplets, the middle 2048x1080 of 4096x2160",
            reference="Niklaus and Liu, Softmax Splatting for Video Frame Interpolation, CVPR 2020",
            licence=UNSURE,
            source="https://media.xiph.org/video/derf (Netflix clips, 4096x2160 at 60 fps)",
            layout=XIPH,
        ),
        BenchmarkSpec(
            name="x4k1000fps",
            factory="harness.data.sets.x4k1000fps:X4K1000FPS",
            summary="X-TEST of X4K1000FPS: 15 scenes of 4096x2160, 7 frames to make in each",
            reference="Sim et al., XVFI: eXtreme Video Frame Interpolation, ICCV 2021",
            licence=UNSURE,
            source="https://github.com/JihyongOh/XVFI (X-TEST)",
            layout="""\
test/Type1/<scene>/0000.png, 0004.png, 0008.png, ..., 0032.png
test/Type2/..., test/Type3/...      15 scenes in all; Type1/ ... without test/ is taken too""",
        ),
        BenchmarkSpec(
            name="gopro",
            factory="harness.data.sets.eightfold:GoPro",
            summary="GoPro at 240 fps: 7 frames to make out of 9; 22 videos to train on, 11 to test on",
            reference="Nah et al., Deep Multi-scale CNN for Dynamic Scene Deblurring, CVPR 2017",
            licence=UNSURE,
            source="https://seungjunnah.github.io/Datasets/gopro (GOPRO_Large_all)",
            layout="""\
train/GOPR0372_07_00/000047.png ...      may be absent
test/GOPR0384_11_00/000001.png ...
all videos beside one another, without train/ and test/, are taken too""",
        ),
        BenchmarkSpec(
            name="adobe240",
            factory="harness.data.sets.eightfold:Adobe240",
            summary="Adobe240 at 240 fps: 7 frames to make out of 9",
            reference="Su et al., Deep Video Deblurring for Hand-held Cameras, CVPR 2017",
            licence=UNSURE,
            source="http://www.cs.ubc.ca/labs/imager/tr/2017/DeepVideoDeblurring",
            layout="""\
<video>/<frames, numbered without a gap>.png or .jpg
in test_frames/ or test/ where there is such a folder; all videos there are for testing""",
        ),
    ]
